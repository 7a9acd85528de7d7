"""A transfer study as a page."""

from collections.abc import Sequence
from pathlib import Path

from classify.formats import counted, score, scored, signed
from classify.report.page import UNTRAINED, Page, Section, Table, illustrated, made, render
from classify.report.style import Illustration
from classify.report.transfer_text import title
from classify.transfer.cells import OTHER_LANGUAGES, OTHERS
from classify.transfer.result import KINDS, Transfer
from data.cache.recipe import in_words

SHIFTS = (
    "normalize corpus standardises features by each corpus, adapt prior estimates the class shares "
    "of the tested corpus, adapt coral aligns covariances: all three look at the features of the "
    "whole test part, not at its labels, so they do not hold for a single new recording. balance "
    "corpus weights the corpora of a training part alike and looks at no test data. Each is alone."
)


def html(found: Transfer, figures: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    first = found.first
    warnings = {
        UNTRAINED: any(run.recipe.get("control") for run in found.runs),
        f"{found.unknown} utterances have no {found.options.by} and are left out.": found.unknown,
    }
    empty = [(*names, reason) for names, reason in found.matrix.empty.items()]
    sections = [*illustrated(figures), _runs(found), _cells(found), *_layers(found)]
    if found.alignments:
        rows = [(one.first, one.second, one.classes, score(one.cka), score(one.exchanged))
                for one in found.alignments]  # fmt: skip
        head = ["corpus", "corpus", "classes", "CKA", "classes exchanged"]
        sections.append(Section("Class means of corpora", table=Table(head, rows)))
    if empty:
        table = Table(["trained on", "tested on", "reason"], empty, words=True)
        sections.append(Section("Empty cells", table=table))
    files = ("<code>predictions.csv</code> has every prediction, <code>transfer.json</code> every "
             "number. Every figure is there as PNG and as SVG.")  # fmt: skip
    page = Page(
        title=f"Across corpora: {first.head} on {in_words(first.recipe)}",
        lead=f"{len(found.selection.y)} utterances ({counted(found.sizes)}), "
        f"{len(found.selection.classes)} classes (vocabulary {found.metrics['vocabulary']}, labels "
        f"{found.options.labels or 'shared'}), {first.features}",
        warnings=[text for text, holds in warnings.items() if holds],
        sections=[*sections, made(found.options.as_json(), first.fingerprint, {}, files)],
    )
    return render(page, folder)


def _runs(found: Transfer) -> Section:
    rows = []
    for run in found.runs:
        compared = found.compared(run)
        test = (signed(compared.difference), f"{compared.p:.2g}") if compared else ("", "")
        rows.append((title(run, found), *(score(run.mean(kind)) for kind in KINDS), *test))
    text = (
        "Mean UAR over the cells of a kind; difference and p of the mean across, compared with the "
        "first row by exchanging the runs speaker by speaker. "
    ) + (SHIFTS if len(found.options.shifts) > 1 else "")
    head = ["run", *KINDS, "difference", "p"]
    return Section("Runs", table=Table(head, rows), text=text)


def _cells(found: Transfer) -> Section:
    rows = []
    for place, one in enumerate(found.first.tested):
        cell = one.cell
        changes = [
            signed(compared.difference) + ("*" if compared.p < 0.05 else "")
            for run in found.runs[1:]
            if (compared := found.compared(run, place))
        ]
        trained = sum(len(train) for train, _ in cell.parts) // len(cell.parts)
        rows.append((
            cell.trained, cell.tested, scored(one.scores),
            f"{len(one.scores.classes)} ({score(one.chance)})", trained, len(one.predicted),
            f"{cell.left_out[0]} + {cell.left_out[1]}", cell.excluded, *changes,
        ))  # fmt: skip
    head = ["trained on", "tested on", "UAR [95 %]", "classes (chance)", "trained", "tested",
            "no shared class", "also tested",
            *(title(run, found) for run in found.runs[1:])]  # fmt: skip
    text = (
        "Intervals are of 95 % over the tested speakers. Trained, tested: utterances, within a "
        "corpus those of a fold on average. No shared class: utterances of training and test that "
        "are left out for it. Also tested: utterances that are not trained on, because the "
        f"recording or its speaker is tested. {OTHERS}: one head for all other corpora; "
        f"{OTHER_LANGUAGES}: for those that share no language with the tested one. Differences of "
        "other runs: * p < 0.05 over the speakers, not corrected for the number of cells. "
        "transfer.json names the classes of each cell."
    )
    return Section("Cells", table=Table(head, rows), text=text)


def _layers(found: Transfer) -> list[Section]:
    sections = []
    for name, curve in found.curves.items():
        rows = [
            (cell.trained, cell.tested, curve.layers[int(scores.argmax())], score(scores.max()))
            for cell, scores in zip(found.matrix.cells, curve.uar.T, strict=True)
        ]
        text = "The layer of the highest UAR on the test part, so its score is that of a winner."
        table = Table(["trained on", "tested on", "layer", "UAR"], rows)
        sections.append(Section(f"Best layer of each cell, {name}", table=table, text=text))
    return sections
