"""A trained model as a short table for the terminal."""

from typing import Any

from classify.formats import counted, score
from classify.models.trained import TrainedHead
from classify.robustness.design import ALL, CLEAN
from classify.stats.intervals import in_words
from data import console


def render(model: TrainedHead) -> console.Lines:
    """The table, without a line feed at its end."""
    card = model.card
    rows = [
        ("head", f"{card['head']}, {model.features}"),
        ("encoder", model.encoder),
        ("trained on", f"{sum(card['corpora'].values())} utterances ({counted(card['corpora'])})"),
        ("targets" if model.targets else "classes", counted(card["support"])),
        ("chosen", _chosen(model)),
    ]
    if augment := (card["robustness"] or {}).get("augment"):
        kept = "trained on" if augment["chosen"] else "not trained on"
        words = (
            f"{kept} copies in {', '.join(augment['asked'])}, by {augment['by']} (UAR there "
            f"{augment['uar']['with']:.3f} with them, {augment['uar']['without']:.3f} without)"
        )
        rows.append(("augment", words))
    return console.lines(f"{name:11}  {value}" for name, value in [*rows, *_scores(card)])


def _chosen(model: TrainedHead) -> str:
    choice = model.card["choice"]
    if choice is None:
        if model.features.layer == "mix":
            return "nothing: it weighs the layers itself; its settings would be chosen by --tune"
        return "nothing: layer and settings are given, or the head's own"
    settings = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in choice["chosen"].items()
    )
    of = f"{len(choice['tried'])} {'layers' if 'layer' in choice['chosen'] else 'settings'}"
    uar = max(tried["uar"] for tried in choice["tried"])
    return f"{settings or 'the own settings'}, of {of} by {choice['by']} (UAR there {uar:.3f})"


def _scores(card: Any) -> list[tuple[str, str]]:
    scores = card["scores"]
    if scores is None:
        return [("scores", "none: it was not cross-validated")]
    how = f"{scores['split']} ({scores['folds']})"
    leak = [("leak", scores["leaks"])] if "leaks" in scores else []
    if not card["classes"]:
        return leak + [
            (f"CCC {name}", f"{score(row['ccc'])} {in_words(row['ci95'])}   {how}")
            for name, row in scores["targets"].items()
        ]
    overall, quality = scores["overall"], card["calibration"]
    bounds = overall["ci95"] and overall["ci95"]["uar"]
    chance = f"chance {scores['chance']:.3f}, {how}"
    before, after = quality["before"]["ece"], quality["after"]["ece"]
    return leak + [
        ("UAR", f"{overall['uar']:.3f} {in_words(bounds)}   {chance}"),
        *_across(card),
        *_degraded(card),
        ("ECE", f"{before:.3f} → {after:.3f}   temperature {card['temperature']:.2f}"),
    ]


def _across(card: Any) -> list[tuple[str, str]]:
    """The scores of each corpus that was left out."""
    rows = []
    for name, row in (card["across"] or {}).items():
        words = "shares fewer than two classes with the other corpora"
        if row:
            bounds, classes = row["ci95"] and row["ci95"]["uar"], len(row["classes"])
            words = (
                f"{row['uar']:.3f} {in_words(bounds)}   chance {1 / classes:.3f}, trained on the "
                f"other corpora ({classes} classes)"
            )
        rows.append((f"  {name}", words))
    return rows


def _degraded(card: Any) -> list[tuple[str, str]]:
    """The scores of all conditions and of the worst."""
    rows = (card["robustness"] or {}).get("conditions")
    if not rows:
        return []
    names = [name for name in rows if name not in (CLEAN, ALL)]
    worst = min(names, key=lambda name: rows[name]["uar"])
    words = (
        f"{rows[ALL]['uar']:.3f} {in_words(rows[ALL]['ci95'])}   {len(names)} conditions; "
        f"worst: {worst} {rows[worst]['uar']:.3f}"
    )
    return [("degraded", words)]
