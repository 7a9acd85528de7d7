"""A probe as a short table for the terminal."""

from collections import defaultdict
from typing import Any

from classify.stats.intervals import FEWEST
from classify.stats.tests import ALPHA
from data import console
from data.cache.recipe import encoder_in_words

Json = dict[str, Any]

WIDTH = 21  # of a target's column
MARKS = {"ok": "ok", "note": "note", "fail": "FAIL"}


def render(metrics: Json) -> console.Lines:
    """The table, without a line feed at its end."""
    targets = metrics["targets"]
    corpora = ", ".join(f"{name} {count}" for name, count in metrics["corpora"].items())
    first = next(iter(targets.values()))
    lines = [
        f"encoder     {encoder_in_words(metrics)}, {first['pooling']}",
        f"utterances  {metrics['utterances']} ({corpora})",
        *_folds(targets),
        "",
        *_curves(targets),
        "",
        *(line for name, target in targets.items() for line in _findings(name, target)),
        "",
        *_audit(metrics),
    ]
    return console.lines(lines)


def _folds(targets: dict[str, Json]) -> list[str]:
    kinds = defaultdict(list)
    for name, target in targets.items():
        folds = target["folds"]
        kinds[f"{folds['kind']} ({folds['count']}); C: {target['C']}"].append(name)
    return [f"folds       {', '.join(names)}: {kind}" for kind, names in kinds.items()]


def _curves(targets: dict[str, Json]) -> list[str]:
    """UAR and its interval: a line a layer, a column a target; the best layer's is marked by *,
    those that cannot be told from it by =."""
    lines = ["layer  " + "".join(f"{name:{WIDTH}}" for name in targets).rstrip()]
    for row in zip(*(target["layers"] for target in targets.values()), strict=True):
        cells = [
            f"{_interval(layer)}{_mark(layer['layer'], target['best'])}"
            for layer, target in zip(row, targets.values(), strict=True)
        ]
        lines.append(f"{row[0]['layer']:5}  " + "".join(f"{c:{WIDTH}}" for c in cells).rstrip())
    chance = "".join(f"{target['chance']:<{WIDTH}.3f}" for target in targets.values())
    return [
        *lines,
        f"chance {chance.rstrip()}",
        f"{_legend(targets)}; * best, = not distinguishable from it",
    ]


def _legend(targets: dict[str, Json]) -> str:
    if any(row["ci95"] for target in targets.values() for row in target["layers"]):
        return "UAR [95 % interval over speakers]"
    return f"UAR (no intervals: fewer than {FEWEST} speakers)"


def _interval(row: Json) -> str:
    if row["ci95"] is None:
        return f"{row['uar']:.3f}"
    low, high = row["ci95"]
    return f"{row['uar']:.3f} [{low:.2f},{high:.2f}]"


def _mark(layer: int, best: Json) -> str:
    if layer == best["layer"]:
        return "*"
    return "=" if layer in best["equals"] else " "


def _findings(name: str, target: Json) -> list[str]:
    best = target["best"]
    equals = [layer for layer in best["equals"] if layer != best["layer"]]
    lines = [
        f"best layer {best['layer']}, UAR {best['uar']:.3f}; not distinguishable from it: "
        f"{spans(equals) or 'none'} (model confidence set, p > 0.05)"
    ]
    if best["smallest_p"] > ALPHA:
        lines.append(f"so few speakers can tell no layers apart: p ≥ {best['smallest_p']:.2g}")
    if selection := target.get("selection"):
        chosen = sorted({fold["layer"] for fold in selection["folds"]})
        lines.append(
            f"nested choice {_interval(selection)}, of layers {spans(chosen)}; "
            f"optimism of the best {selection['optimism']:+.3f}"
        )
    lines += [f"{pooling} alone: best {_top(rows)}" for pooling, rows in _alone(target)]
    if removed := target.get("removed"):
        how = ", transductive" if removed["transductive"] else ""
        lines.append(f"without the {removed['what']}{how}: best {_top(removed['layers'])}")
    lines += _controls(target, best["layer"])
    if lengths := target.get("description_length"):
        short = min(lengths, key=lambda row: row["bits"])
        lines.append(
            f"description length: shortest on layer {short['layer']}, {short['bits']:.0f} of "
            f"{short['uniform_bits']:.0f} bits, compression {short['compression']:.2f}"
        )
    return [f"{name if not n else '':10}  {line}" for n, line in enumerate(lines)]


def _alone(target: Json) -> list[tuple[str, list[Json]]]:
    return list(target.get("poolings", {}).items())


def _controls(target: Json, layer: int) -> list[str]:
    lines = [f"majority {target['majority']['uar']:.3f}"]
    found = target.get("controls", {})
    lines += [
        f"{name} {_interval(found[name])}"
        for name in ("logmel", "energy", "duration")
        if name in found
    ]
    if shuffled := found.get("shuffled"):
        row = next(row for row in shuffled["layers"] if row["layer"] == layer)
        lines.append(
            f"shuffled {row['uar']:.3f} ± {row['deviation']:.3f}, selectivity "
            f"{row['selectivity']:.3f}, p {row['p']:.3f}"
        )
    text = ["controls: " + "; ".join(lines)] if len(lines) > 1 else [lines[0]]
    if control := found.get("control"):
        text.append(
            f"{encoder_in_words(control)} on the same {control['utterances']} utterances: best "
            f"{_top(control['layers'])}"
        )
        apart = control["difference"]
        interval = " [{:+.2f},{:+.2f}]".format(*apart["ci95"]) if apart["ci95"] else ""
        text.append(
            f"nested choice less the control's {apart['uar']:+.3f}{interval}, p {apart['p']:.3f}"
        )
    return text


def _top(rows: list[Json]) -> str:
    row = max(rows, key=lambda row: row["uar"])
    return f"{_interval(row)} on layer {row['layer']}"


def _audit(metrics: Json) -> list[str]:
    """Checks that say the same of several targets on one line; what is right only in names."""
    grouped: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for check in metrics["audit"]["checks"]:
        grouped[check["status"], check["check"], check["detail"]].append(check["target"])
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
    lines += [f"fit   {row['what']}: {row['where']}" for row in metrics["audit"]["fitted"]]
    lines += [f"skip  {name}: {why}" for name, why in metrics["skipped"].items()]
    verdict = "passed" if metrics["audit"]["passed"] else "FAILED"
    return [f"audit {verdict}", *lines]


def spans(numbers: list[int]) -> str:
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
