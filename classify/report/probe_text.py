"""A probe as a short table for the terminal."""

from collections import defaultdict
from collections.abc import Sequence

from classify.formats import counted, mark
from classify.probing.result import LayerScores, Probe, TargetResult, numbers
from classify.stats.intervals import FEWEST
from classify.stats.scores import Scores
from classify.stats.tests import ALPHA
from data import console
from data.cache.recipe import in_words

WIDTH = 21  # of a target's column
MARKS = {"ok": "ok", "note": "note", "fail": "FAIL"}


def render(found: Probe) -> console.Lines:
    """The table, without a line feed at its end."""
    targets = list(found.targets.values())
    return console.lines(
        [
            f"encoder     {in_words(found.recipe)}, {found.first.pooling}",
            f"utterances  {found.utterances} ({counted(found.corpora)})",
            *_folds(targets),
            "",
            *_curves(targets),
            "",
            *(line for target in targets for line in _findings(target)),
            "",
            *_audit(found),
        ]
    )


def _folds(targets: Sequence[TargetResult]) -> list[str]:
    kinds = defaultdict(list)
    for target in targets:
        folds = target.task.folds
        kinds[f"{folds.kind} ({len(folds)}); C: {target.C}"].append(target.name)
    audits = [target.task.folds.audit for target in targets if target.task.folds.audit]
    found = [f"{name:10}  {text}" for audit in audits for name, text in audit.findings.items()]
    lines = [f"folds       {', '.join(names)}: {kind}" for kind, names in kinds.items()]
    return [*lines, *dict.fromkeys(found)]


def _curves(targets: Sequence[TargetResult]) -> list[str]:
    """UAR and its interval: a line a layer, a column a target; marks as in `mark`."""
    lines = ["layer  " + "".join(f"{target.name:{WIDTH}}" for target in targets).rstrip()]
    for index, layer in enumerate(targets[0].numbers):
        cells = [
            f"{_interval(target.layers[index].scores)}{mark(target.best, index)}"
            for target in targets
        ]
        lines.append(f"{layer:5}  " + "".join(f"{c:{WIDTH}}" for c in cells).rstrip())
    chance = "".join(f"{target.chance:<{WIDTH}.3f}" for target in targets)
    return [
        *lines,
        f"chance {chance.rstrip()}",
        f"{_legend(targets)}; * best, = not distinguishable from it",
    ]


def _legend(targets: Sequence[TargetResult]) -> str:
    if any(row.scores.interval for target in targets for row in target.layers):
        return "UAR [95 % interval over speakers]"
    return f"UAR (no intervals: fewer than {FEWEST} speakers)"


def _interval(scores: Scores) -> str:
    if scores.interval is None:
        return f"{scores.uar:.3f}"
    return "{:.3f} [{:.2f},{:.2f}]".format(scores.uar, *scores.interval)


def _findings(target: TargetResult) -> list[str]:
    top = target.top
    lines = [
        f"best layer {top.layer}, UAR {top.scores.uar:.3f}; not distinguishable from it: "
        f"{spans(target.equals) or 'none'} (model confidence set, p > 0.05)"
    ]
    if (least := target.best.smallest_p) > ALPHA:
        lines.append(f"too few speakers to distinguish layers: p ≥ {least:.2g}")
    if nested := target.nested:
        lines.append(
            f"nested choice {_interval(nested.scores)}, of layers {spans(sorted(nested.votes))}; "
            f"optimism of the best {nested.optimism:+.3f}"
        )
    lines += [f"{name} alone: best {_top(rows)}" for name, rows in target.poolings.items()]
    if removed := target.removed:
        how = ", transductive" if removed.transductive else ""
        lines.append(f"without the {removed.what}{how}: best {_top(removed.layers)}")
    lines += _controls(target)
    if lengths := target.description_length:
        short = min(lengths, key=lambda row: row.bits)
        lines.append(
            f"description length: shortest on layer {short.layer}, {short.bits:.0f} of "
            f"{short.uniform_bits:.0f} bits, compression {short.compression:.2f}"
        )
    return [f"{target.name if not n else '':10}  {line}" for n, line in enumerate(lines)]


def _controls(target: TargetResult) -> list[str]:
    lines = [f"majority {target.majority.uar:.3f}"]
    lines += [f"{name} {_interval(row.scores)}" for name, row in target.baselines.items()]
    if target.shuffled:
        row = target.shuffled.layers[target.best.index]
        lines.append(
            f"shuffled {row.uar:.3f} ± {row.deviation:.3f}, selectivity "
            f"{row.selectivity:.3f}, p {row.p:.3f}"
        )
    text = ["controls: " + "; ".join(lines)] if len(lines) > 1 else lines
    if control := target.control:
        text.append(
            f"{in_words(control.recipe)} on the same {len(target.task.folds.tested)} utterances: "
            f"best {_top(control.layers)}"
        )
        apart = control.difference
        interval = " [{:+.2f},{:+.2f}]".format(*apart.interval) if apart.interval else ""
        text.append(f"nested choice less the control's {apart.uar:+.3f}{interval}, p {apart.p:.3f}")
    return text


def _top(rows: Sequence[LayerScores]) -> str:
    layer, row = max(zip(numbers(rows), rows, strict=True), key=lambda pair: pair[1].scores.uar)
    return f"{_interval(row.scores)} on layer {layer}"


def _audit(found: Probe) -> list[str]:
    """Checks with the same result for several targets on one line; of passed ones the names."""
    grouped: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in found.audit.checks:
        grouped[one.status, one.check, one.detail].append(one.target)
    order = sorted(grouped.items(), key=lambda item: list(MARKS)[::-1].index(item[0][0]))
    lines = [
        f"{MARKS[status]:4}  {check} ({', '.join(targets)}): {detail}"
        for (status, check, detail), targets in order
        if status != "ok"
    ]
    bad = {check for status, check, _ in grouped if status != "ok"}
    fine = dict.fromkeys(check for status, check, _ in grouped if status == "ok")
    if good := [check for check in fine if check not in bad]:
        lines.append(f"ok    {', '.join(good)}")
    lines += [f"fit   {what}: {where}" for what, where in found.audit.fitted]
    lines += [f"skip  {name}: {why}" for name, why in found.skipped.items()]
    verdict = "passed" if found.audit.passed else "FAILED"
    return [f"audit {verdict}", *lines]


def spans(numbers: Sequence[int]) -> str:
    """Numbers with neighbours joined.

    >>> spans([0, 1, 2, 4, 6, 7])
    '0–2, 4, 6–7'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{p[0]}–{p[-1]}" if len(p) > 1 else f"{p[0]}" for p in parts)
