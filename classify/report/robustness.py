"""The report of a robustness study."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from classify.conditions import is_named
from classify.formats import bounded, interval, score, scored, shortly, signed
from classify.report import folder, parts
from classify.report.curve_figures import levels_figure, robust_layers_figure
from classify.report.elements import heat_map
from classify.report.page import Fact, Page, Section, Table, illustrated
from classify.report.row_figures import conditions_figure
from classify.report.style import SEQUENTIAL
from classify.report.write import Report
from classify.robustness.design import ALL, CLEAN, CONDITION, SMALL
from classify.robustness.result import CHOSEN, LayerFits, Robustness, title
from classify.stats.tests import ALPHA
from classify.studies.results import Difference
from data.cache.recipe import in_words
from data.text import several

STARRED = f"* p < {ALPHA} over the speakers, corrected (Holm)"
BABBLE = (
    "Copies with babble contain voices of other speakers of the corpus, some of whom may be tested."
)


def report(found: Robustness) -> Report:
    """The report of a robustness study."""
    options = found.options
    return Report(
        name="robustness",
        result=folder.ROBUSTNESS,
        page=_page(found),
        metrics=found.metrics,
        predictions=found.predictions(),
        options=options.as_json() | {"cache": str(options.cache.absolute())},
        seed=options.seed,
        fingerprint=found.fingerprint,
    )


def _page(found: Robustness) -> Page:
    first, selection, folds = found.first, found.design.copies.selection, found.design.folds
    conditions = first.scored.of(CONDITION)
    babble = [name for name in found.design.copies.names if "babble" in name]
    trained = {word for run in found.runs for word in run.trained}
    warned = any(is_named(name, word) for name in babble for word in trained)
    missing = [
        ("missing", f"{several(row.group.missing, 'utterance')} in {row.group.name}")
        for row in conditions
        if row.group.missing
    ]
    scores, differences = _conditions(found)
    _, number = parts.utterances(len(folds.tested), selection.corpora)
    return Page(
        title=f"Robustness: {first.head} on {in_words(found.recipe)}",
        about=[
            ("encoder", in_words(found.recipe)),
            ("utterances", f"{number} in each of {several(len(conditions), 'condition')}"),
            ("classes", f"{', '.join(selection.classes)} (chance {score(found.chance)})"),
            ("folds", f"{folds.kind} ({len(folds)})"),
            ("head", f"{first.head} on {first.features}, trained on clean speech"),
            *missing,
            *(("refused", f"{name}: {reason}") for name, reason in found.refused.items()),
        ],
        facts=_facts(found),
        warnings=[*parts.warnings([folds], found.recipe), *[BABBLE] * warned],
        sections=[scores, *_figures(found), *_runs(found), differences, *_layers(found)],
    )


def _facts(found: Robustness) -> list[Fact]:
    of = found.first.scored
    clean, whole = of.row(CLEAN).scores, of.row(ALL).scores
    worst = min(of.of(CONDITION), key=lambda row: row.scores.uar)
    facts = [
        Fact("UAR, clean speech", score(clean.uar), interval(clean.interval)),
        Fact("UAR, all conditions", score(whole.uar), interval(whole.interval)),
        Fact("lowest UAR", score(worst.scores.uar), interval(worst.scores.interval),
             f"{worst.group.name}, {changed(worst.change)} from clean speech"),
    ]  # fmt: skip
    if small := of.of(SMALL):
        count = several(len(small[0].group.numbers), "condition")
        facts.append(Fact(
            "unchanged", f"{small[0].unchanged:.1%}", _shares(small[0].unchanged_interval),
            f"of the predictions, by small changes ({count})",
        ))  # fmt: skip
    if found.layers:
        facts.append(_robust_layer(found, found.layers))
    return facts


def _robust_layer(found: Robustness, layers: LayerFits) -> Fact:
    """The layer that most folds choose, and that of the highest score after the fact."""
    best = layers.best
    chosen = [layers.layers[place] for place in layers.chosen]
    votes = sorted({*chosen}, key=lambda layer: (-chosen.count(layer), layer))
    words = ", ".join(f"{chosen.count(layer)} for {layer}" for layer in votes[:3])
    run = next(run for run in found.runs if run.features == CHOSEN)
    nested = scored(run.scored.row(ALL).scores)
    equals = [str(layers.layers[index]) for index in best.equals if index != best.index]
    more = f", not distinguishable from {', '.join(equals)}" if equals else ""
    note = (
        f"chosen by the training parts ({words}): UAR {nested} over all conditions; highest on the "
        f"test parts: {layers.layers[best.index]}{more}"
    )
    return Fact("robust layer", str(votes[0]), note=note)


def _conditions(found: Robustness) -> tuple[Section, Section]:
    """The first run, condition by condition: its scores, and its differences from clean speech."""
    corruptions, rows, differences = found.corruptions(found.first), [], []
    for row in found.first.scored.rows:
        count, group, change = len(row.group.numbers), row.group, row.change
        name = f"{group.name} ({count})" if count > 1 else group.name
        of = (corruptions or {}).get(group.what, {}).get(group.name)
        error, relative = (score(of.error), score(of.relative)) if of else ("", "")
        rows.append((
            name, shortly(group.achieved), scored(row.scores), changed(change),
            f"{row.unchanged:.0%}" if change else "", f"{row.ece:.3f}",
            *([error] if corruptions else []),
        ))  # fmt: skip
        if change:
            differences.append((
                name, f"{changed(change)} {interval(change.interval)}", f"{change.corrected:.2g}",
                f"{row.unchanged:.1%} {_shares(row.unchanged_interval)}".rstrip(), group.missing,
                *([relative] if corruptions else []),
            ))  # fmt: skip
    head = ["condition", "achieved", "UAR [95 %]", "change", "unchanged", "ECE"]
    more = ["condition", "change [95 %]", "p", "unchanged [95 %]", "missing"]
    note = f"change: from clean speech, of the same utterances; {STARRED}"
    text = (
        "In brackets behind a name: conditions that are taken together. Achieved: mean of the "
        "measured level. Unchanged: share of the predictions that are those of the clean "
        "recording. ECE: expected calibration error, of the head's own probabilities."
    )
    words = (
        "Change: UAR less that of the clean recordings of the same utterances, paired by speaker; "
        f"{STARRED}. Missing: utterances that have no copy in the condition."
    )
    if found.baseline:
        head, more = [*head, "CE"], [*more, "relative CE"]
        baseline = f"{found.baseline.features} with {found.baseline.head}"
        note += f"; CE: error divided by that of {baseline}"
        text += " CE: errors are 1 - UAR; below 1 is better than the baseline."
        words += (
            " Relative CE: what is lost from clean speech, divided by what the baseline loses, "
            "where it loses anything."
        )
    return (
        Section("Conditions", Table(head, rows), note, text, printed=True),
        Section("Differences from clean speech", Table(more, differences), text=words),
    )


def _runs(found: Robustness) -> list[Section]:
    """Clean speech and all conditions of each run, and what training on conditions changes."""
    if len(found.runs) == 1:
        return []
    rows = []
    for number, run in enumerate(found.runs):
        compared, whole = found.compared.get(number), run.scored.row(ALL)
        changes = (changed(compared[0]), changed(compared[-1])) if compared else ("", "")
        rows.append((title(run), score(run.scored.row(CLEAN).scores.uar), scored(whole.scores),
                     f"{whole.unchanged:.0%}", *changes))  # fmt: skip
    head = ["run", "clean", "all conditions [95 %]", "unchanged", "change, clean", "change, all"]
    note = (
        "change: from the same head trained on clean speech alone, of the same utterances; "
        f"{STARRED}"
    )
    sections = [Section("Runs", Table(head, rows), note, printed=True)]
    if found.compared:
        columns = [title(found.runs[number]) for number in found.compared]
        each = [
            (group.name, *(f"{changed(one)} {interval(one.interval)}" for one in differences))
            for group, *differences in zip(
                found.design.groups, *found.compared.values(), strict=True
            )
        ]
        text = (
            "UAR less that of the same head trained on clean speech alone, with 95 % intervals. "
            f"Copies of tested speakers are never trained on. {STARRED}."
        )
        table = Table(["condition", *columns], each)
        sections.append(Section("What training on conditions changes", table, text=text))
    return sections


def _layers(found: Robustness) -> list[Section]:
    if (layers := found.layers) is None:
        return []
    best, scores, pairs = layers.best, layers.uar, layers.intervals
    chosen = [layers.layers[place] for place in layers.chosen]
    rows = [
        (layer, score(values[0]), bounded(values[-1], pair), signed(values[-1] - values[0]),
         chosen.count(layer) or "",
         "highest" if place == best.index else "=" if place in best.equals else "")
        for place, (layer, values, pair) in enumerate(
            zip(layers.layers, scores, pairs, strict=True)
        )
    ]  # fmt: skip
    text = (
        f"By {layers.head}, trained on clean speech. Chosen: folds whose training part "
        f"chooses the layer, by {layers.kind} (trained on clean speech, highest mean UAR over the "
        "conditions); the score of this choice is an estimate for new speakers. On test: = is not "
        f"distinguishable from the highest (model confidence set, {1 - ALPHA:.0%}), which is "
        "chosen after the fact."
    )
    head = ["layer", "clean speech", "all conditions [95 %]", "change", "chosen", "on test"]
    return [Section("Which layer is robust", Table(head, rows), text=text)]


def _figures(found: Robustness) -> list[Section]:
    what = (CLEAN, CONDITION)
    runs = {
        title(run): [row for row in run.scored.rows if row.group.what in what] for run in found.runs
    }
    sections = []
    if levels := [kind for kind, groups in found.kinds.items() if len(groups) > 1]:
        sections.append(illustrated(
            "levels", "UAR by level", "UAR at each level of a kind of condition, with 95 % "
            "intervals over the speakers. Dashed: clean speech; dotted: chance.",
            partial(levels_figure, runs, levels, found.chance),
        ))  # fmt: skip
    sections.append(illustrated(
        "conditions", "UAR by condition", "UAR in each condition, with 95 % intervals over the "
        "speakers. Dashed: clean speech, of the first; dotted: chance.",
        partial(conditions_figure, runs, found.chance),
    ))  # fmt: skip
    if found.layers:
        scores = found.layers.uar.T
        some = [n for n, group in enumerate(found.design.groups) if group.what in what]
        names = [found.design.groups[n].name for n in some]
        numbers, chosen = found.layers.layers, [found.layers.layers[n] for n in found.layers.chosen]
        sections += [
            illustrated(
                "layer_means", "Layers", "UAR of each layer in clean speech and in all conditions, "
                f"by {found.layers.head} trained on clean speech, with 95 % intervals over the "
                "speakers. Circles: the layer that the training part of a fold chooses; their area "
                "is the share of the folds.",
                partial(robust_layers_figure, numbers, found.layers.counts, chosen, found.chance),
            ),
            illustrated(
                "condition_layers", "Layers in each condition", "UAR of each layer in each "
                "condition, by the same heads. Colours begin at chance.",
                partial(heat_map, scores[some], names, [*map(str, numbers)], "UAR",
                        xlabel="hidden layer", colours=SEQUENTIAL, low=found.chance,
                        high=max(float(np.nanmax(scores[some])), found.chance + 0.01)),
            ),
        ]  # fmt: skip
    return sections


def changed(change: Difference | None) -> str:
    """A difference, marked where it is significant."""
    if change is None:
        return ""
    return signed(change.uar) + "*" * (change.corrected < ALPHA)


def _shares(bounds: Sequence[float] | None) -> str:
    """Two shares in brackets, where there is an interval."""
    return "[{:.1%}, {:.1%}]".format(*bounds) if bounds else ""
