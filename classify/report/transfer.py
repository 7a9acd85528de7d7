"""The report of a transfer study."""

from functools import partial

import numpy as np

from classify.formats import brief, score, scored, signed
from classify.report import folder, parts
from classify.report.curve_figures import transfer_layers_figure
from classify.report.elements import heat_map
from classify.report.page import Page, Section, Table, illustrated
from classify.report.write import Report
from classify.stats.intervals import FEWEST
from classify.transfer.cells import ACROSS, OTHER_LANGUAGES, OTHERS, WITHIN
from classify.transfer.result import KINDS, Run, Tested, Transfer, table
from data.cache.recipe import in_words

UNSHIFTED = "plain"
SHIFTS = (
    "normalize corpus standardises features by each corpus, adapt prior estimates the class shares "
    "of the tested corpus, adapt coral aligns covariances: all three look at the features of the "
    "whole test part, not at its labels, so they do not hold for a single new recording. balance "
    "corpus weights the corpora of a training part alike and looks at no test data. Each is alone."
)


def report(found: Transfer) -> Report:
    """The report of a transfer study."""
    options = found.options
    return Report(
        name="transfer",
        result=folder.TRANSFER,
        page=_page(found),
        metrics=found.metrics,
        predictions=found.predictions(),
        options=options.as_json() | {"caches": [str(path.absolute()) for path in options.caches]},
        seed=options.seed,
        fingerprint=found.first.fingerprint,
    )


def _page(found: Transfer) -> Page:
    first, options, selection = found.first, found.options, found.selection
    control = any(run.recipe.get("control") for run in found.runs)
    unknown = f"{found.unknown} utterances have no {options.by} and are left out."
    sections = [
        *_matrix(first, found),
        _runs(found),
        *_layers(found),
        _cells(found),
    ]  # fmt: skip
    if found.alignments:
        sections += _alignment(found)
    if found.matrix.empty:
        pairs = [(" → ".join(names), reason) for names, reason in found.matrix.empty.items()]
        empty = Table(["empty", "reason"], pairs, words=True)
        sections.append(Section("Empty cells", empty, printed=True))
    return Page(
        title=f"Across corpora: {first.head} on {in_words(first.recipe)}",
        about=[
            ("encoder", in_words(first.recipe)),
            parts.utterances(len(selection.y), found.sizes),
            (
                "classes",
                f"{', '.join(selection.classes)} (--labels {options.labels or 'shared'}, "
                f"vocabulary {found.metrics['vocabulary']}); of each cell those that both sides "
                "have",
            ),
            ("head", f"{first.head} on {first.features}"),
        ],
        warnings=[parts.UNTRAINED] * control + [unknown] * bool(found.unknown),
        sections=sections,
    )


def _matrix(run: Run, found: Transfer) -> list[Section]:
    """UAR of each training and test, as a table and as a heat map."""
    names, cells = table(run, found.matrix)
    values = [[cell.scores.uar if cell else np.nan for cell in row] for row in cells]
    classes = [[f"{len(cell.scores.classes)} cl." if cell else "" for cell in row] for row in cells]
    rows = [(name, *map(_cell, row)) for name, row in zip(names, cells, strict=True)]
    note = (
        "UAR [95 %] / classes; columns: tested on; diagonal: speaker-independent folds; intervals "
        f"over speakers, from {FEWEST} on"
    )
    columns = Table(["trained on", *found.matrix.domains], rows, words=True)
    figure = illustrated(
        "matrix", "Matrix", "UAR of each training (rows) and test (columns), above the number of "
        "classes that both have; chance is 1 divided by this number. The diagonal is a "
        "cross-validation with speaker-independent folds.",
        partial(heat_map, np.array(values), names, found.matrix.domains, "UAR",
                counts=np.array(classes), xlabel="tested on", ylabel="trained on"),
    )  # fmt: skip
    return [Section("Scores", columns, note, printed=True), figure]


def _alignment(found: Transfer) -> list[Section]:
    """CKA of the class means of corpora, as a table and, of three or more, as a heat map."""
    names, sections = found.matrix.domains, []
    if len(names) > 2:
        values = np.full((len(names), len(names)), np.nan)
        words = np.full(values.shape, "", object)
        for one in found.alignments:
            for pair in ((one.first, one.second), (one.second, one.first)):
                place = names.index(pair[0]), names.index(pair[1])
                values[place], words[place] = one.cka, f"({one.exchanged:.2f})"
        sections.append(illustrated(
            "alignment", "Similarity of corpora", "Linear CKA of the class means of each two "
            "corpora, each standardised by itself: how far the classes lie in the same relation "
            "to one another. The second number is the mean with the classes exchanged, which is "
            "what unrelated classes give.",
            partial(heat_map, values, names, names, "CKA of class means", counts=words),
        ))  # fmt: skip
    rows = [(one.first, one.second, one.classes, score(one.cka), score(one.exchanged))
            for one in found.alignments]  # fmt: skip
    head = ["corpus", "corpus", "classes", "CKA", "classes exchanged"]
    return [*sections, Section("Class means of corpora", Table(head, rows))]


def _cell(cell: Tested | None) -> str:
    return f"{brief(cell.scores)} /{len(cell.scores.classes)}" if cell else "–"


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
    head = ["mean UAR", *KINDS, "difference", "p"]
    return Section("Runs", Table(head, rows), text=text, printed=True)


def _layers(found: Transfer) -> list[Section]:
    """The best layers, of each encoder."""
    if not found.curves:
        return []
    cells, rows, sections = found.matrix.cells, [], []
    for name, curve in found.curves.items():
        row: list[object] = [name]
        for kind in (ACROSS, WITHIN):
            mean = curve.mean(cells, kind)
            row += ["", ""] if mean is None else [curve.layers[mean.argmax()], score(mean.max())]
        rows.append(row)
        of_cells = [
            (cell.trained, cell.tested, curve.layers[int(scores.argmax())], score(scores.max()))
            for cell, scores in zip(cells, curve.uar.T, strict=True)
        ]
        text = "The layer of the highest UAR on the test part, so its score is that of a winner."
        columns = Table(["trained on", "tested on", "layer", "UAR"], of_cells)
        sections.append(Section(f"Best layer of each cell, {name}", columns, text=text, level=3))
    head = ["best layers", "across", "UAR", "within", "UAR"]
    note = "chosen on the test parts: for orientation"
    figure = illustrated(
        "transfer_layers", "Mean over the cells", "Mean UAR over the cells within a corpus and "
        "across corpora, on each layer. The best layer within a corpus need not be the best "
        "across.", partial(transfer_layers_figure, found), level=3,
    )  # fmt: skip
    return [Section("Layers", Table(head, rows), note, printed=True), figure, *sections]


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
    return Section("Cells", Table(head, rows), text=text)


def title(run: Run, found: Transfer) -> str:
    """The options in which a run differs from the others."""
    words = [run.head, run.shift or UNSHIFTED]
    if len({one.fingerprint for one in found.runs}) > 1:
        words.insert(0, in_words(run.recipe))
    return ", ".join(words)
