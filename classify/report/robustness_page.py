"""A robustness study as a page."""

from collections.abc import Sequence
from pathlib import Path

from classify.conditions import is_named
from classify.formats import counted, interval, score, scored, shortly, signed
from classify.report.page import (
    UNKNOWN_SPEAKERS,
    UNTRAINED,
    Fact,
    Page,
    Section,
    Table,
    illustrated,
    made,
    render,
)
from classify.report.robustness_text import bought, changed, lowest, robust_layer, unchanged
from classify.report.style import Illustration
from classify.robustness.design import ALL, CLEAN, CONDITION, SMALL, Row
from classify.robustness.result import Robustness, title
from classify.stats.tests import ALPHA
from data.cache.recipe import in_words
from data.text import several

STARRED = f"* p < {ALPHA} over the speakers, corrected for the number of conditions (Holm)."
BABBLE = (
    "Copies with babble contain voices of other speakers of the corpus, some of whom may be tested."
)


def html(found: Robustness, figures: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    first, selection, folds = found.first, found.design.copies.selection, found.design.folds
    files = (
        "<code>predictions.csv</code> has every prediction, <code>robustness.json</code> every "
        "number. Every figure is there as PNG and as SVG."
    )
    page = Page(
        title=f"Robustness: {first.head} on {in_words(found.recipe)}",
        lead=f"{several(len(folds.tested), 'utterance')} ({counted(selection.corpora)}) in "
        f"{several(len(first.scored.of(CONDITION)), 'condition')} beside clean speech, "
        f"{len(selection.classes)} classes, {folds.kind}; {first.features}, trained on clean "
        "speech",
        warnings=_warnings(found),
        facts=_facts(found),
        sections=[
            *illustrated(figures), *_conditions(found), *_runs(found), *_layers(found),
            made(found.options.as_json(), found.fingerprint, {}, files),
        ],
    )  # fmt: skip
    return render(page, folder)


def _warnings(found: Robustness) -> list[str]:
    babble = [name for name in found.design.copies.names if "babble" in name]
    trained = {word for run in found.runs for word in run.trained}
    warnings = {
        UNTRAINED: found.recipe.get("control"),
        UNKNOWN_SPEAKERS: not found.design.folds.by_speaker,
        BABBLE: any(is_named(name, word) for name in babble for word in trained),
    }
    refused = [f"Not tested: {name}, {reason}." for name, reason in found.refused.items()]
    return [text for text, holds in warnings.items() if holds] + refused


def _facts(found: Robustness) -> list[Fact]:
    of = found.first.scored
    clean, whole, worst = of.row(CLEAN), of.row(ALL), lowest(of.of(CONDITION))
    facts = [
        ("UAR, clean speech", score(clean.scores.uar), interval(clean.scores.interval)),
        ("UAR, all conditions", score(whole.scores.uar), interval(whole.scores.interval)),
        (
            "lowest UAR",
            score(worst.scores.uar),
            f"{worst.group.name}; chance {score(found.chance)}",
        ),
    ]
    if small := of.of(SMALL):
        bounds = small[0].unchanged_interval
        note = "[{:.1%}, {:.1%}]".format(*bounds) if bounds else ""
        facts.append(("unchanged by small changes", f"{small[0].unchanged:.1%}", note))
    return facts


def _conditions(found: Robustness) -> list[Section]:
    rows = found.first.scored.rows
    corruptions = found.corruptions(found.first) or {}
    scores = [
        (_name(row), shortly(row.group.achieved), scored(row.scores),
         f"{changed(row.change).strip()} {interval(row.change.interval)}" if row.change else "",
         f"{row.change.corrected:.2g}" if row.change else "", row.group.missing)
        for row in rows
    ]  # fmt: skip
    of_scores = Table(
        ["condition", "achieved", "UAR [95 %]", "change [95 %]", "p", "missing"], scores
    )
    text = (
        "In brackets behind a name: conditions that are taken together. Achieved: mean of the "
        "measured level. Change: UAR less that of the clean recordings of the same utterances, "
        f"paired by speaker; {STARRED} Missing: utterances that have no copy in the condition."
    )
    others = []
    for row in rows:
        share, bounds = "", row.unchanged_interval
        if row.change:
            share = f"{row.unchanged:.1%}" + (" [{:.1%}, {:.1%}]".format(*bounds) if bounds else "")
        of = corruptions.get(row.group.what, {}).get(row.group.name)
        errors = [score(of.error), score(of.relative)] if of else ["", ""]
        others.append((_name(row), share, f"{row.ece:.3f}", *(errors if corruptions else [])))
    head = ["condition", "unchanged [95 %]", "ECE", *(["CE", "relative CE"] if corruptions else [])]
    about = (
        "Unchanged: share of the predictions that are those of the clean recording. ECE: expected "
        "calibration error, of the head's own probabilities. "
    )
    if found.baseline:
        about += (
            f"CE: errors (1 - UAR) divided by those of {found.baseline.features} with "
            f"{found.baseline.head}; relative CE: the same of what is lost from clean speech, "
            "where the baseline loses anything. Below 1 is better than the baseline. "
        )
    if small := found.first.scored.of(SMALL):
        about += f"S{unchanged(small[0])[1:]}."
    return [
        Section("Conditions", table=of_scores, text=text),
        Section("Predictions, calibration, corruption", table=Table(head, others), text=about),
    ]


def _name(row: Row) -> str:
    """Name of a group, with the number of its conditions."""
    count = len(row.group.numbers)
    return f"{row.group.name} ({count})" if count > 1 else row.group.name


def _runs(found: Robustness) -> list[Section]:
    if len(found.runs) == 1:
        return []
    rows = [
        (title(run), score(run.scored.row(CLEAN).scores.uar), scored(run.scored.row(ALL).scores),
         f"{run.scored.row(ALL).unchanged:.0%}", bought(found, number))
        for number, run in enumerate(found.runs)
    ]  # fmt: skip
    head = ["run", "clean speech", "all conditions [95 %]", "unchanged", "by training on them"]
    sections = [Section("Runs", table=Table(head, rows), text=(
        "All test the same utterances. By training on them: the difference from the same head that "
        f"is trained on clean speech alone, paired by speaker; {STARRED}"
    ))]  # fmt: skip
    if not found.compared:
        return sections
    columns = [found.runs[number] for number in found.compared]
    table = [
        (group.name, *(
            f"{changed(one).strip()} {interval(one.interval)}"
            for one in (differences[place] for differences in found.compared.values())
        ))
        for place, group in enumerate(found.design.groups)
    ]  # fmt: skip
    text = (
        "UAR less that of the same head trained on clean speech alone, with 95 % intervals. "
        f"Copies of tested speakers are never trained on. {STARRED}"
    )
    sections.append(Section("What training on conditions changes", text=text,
                            table=Table(["condition", *map(title, columns)], table)))  # fmt: skip
    return sections


def _layers(found: Robustness) -> list[Section]:
    if (layers := found.layers) is None:
        return []
    best, scores, pairs = layers.best, layers.uar, layers.intervals
    chosen = [layers.layers[place] for place in layers.chosen]
    rows = [
        (layer, score(values[0]), f"{score(values[-1])} {interval(pair)}",
         signed(values[-1] - values[0]), chosen.count(layer) or "",
         "highest" if place == best.index else "=" if place in best.equals else "")
        for place, (layer, values, pair) in enumerate(
            zip(layers.layers, scores, pairs, strict=True)
        )
    ]  # fmt: skip
    text = (
        f"By {layers.head}, trained on clean speech. Chosen: folds whose training part "
        f"chooses the layer, by {layers.kind} (trained on clean speech, highest mean UAR over the "
        "conditions); the score of this choice is an estimate for new speakers: "
        f"{robust_layer(found, layers)}. On test: = is not distinguishable from the highest "
        f"(model confidence set, {1 - ALPHA:.0%}), which is chosen after the fact."
    )
    head = ["layer", "clean speech", "all conditions [95 %]", "change", "chosen", "on test"]
    return [Section("Which layer is robust", table=Table(head, rows), text=text)]
