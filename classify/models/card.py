"""The model card in Markdown: description, scores and limits of a trained head.

Model Cards for Model Reporting (Mitchell et al. 2019), in the form that model hubs show: fields in
YAML, written as JSON, then text. Names from corpora are escaped.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from classify.fairness.result import ACROSS
from classify.features import Features
from classify.formats import score
from classify.stats.metrics import METRICS
from data.cache.recipe import in_words

ALL_SPEAKERS = 24  # of so many each has a row, of more the worst, the median and the best
SPECIAL = {**{sign: f"\\{sign}" for sign in "\\`*_{}[]|"}, "<": "&lt;", "&": "&amp;"}
TABLE = str.maketrans(SPECIAL | {"\n": " ", "\r": " "})


def render(card: Mapping[str, Any]) -> str:
    """Render the card from the content of ``model.json``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "score": score,
        "interval": lambda pair: "" if pair is None else "{:.3f} to {:.3f}".format(*pair),
        "text": _text,
        "shown": lambda value: f"{value:.3g}" if isinstance(value, float) else _text(value),
        "yaml": lambda value: json.dumps(value, ensure_ascii=False).replace("<", "\\u003c"),
    }
    return environment.get_template("model_card.md.j2").render(
        card=card,
        recipe=card["recipe"],
        scores=card["scores"],
        control=bool(card["recipe"].get("control")),
        encoder=in_words(card["recipe"]),
        features=str(Features.from_json(card["features"])),
        utterances=sum(card["corpora"].values()),
        speakers=_speakers((card["scores"] or {}).get("speakers", {})),
        across=ACROSS,
        label="UAR" if card["classes"] else "CCC",
        targets=[] if card["classes"] else list(card["support"]),
        **_metrics(card),
    )


def _metrics(card: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics that the card has: of all utterances, beside the UAR, and by speaker."""
    if not card["scores"] or not card["classes"]:
        return {"metrics": {}, "others": [], "of_speakers": []}
    overall, speakers = card["scores"]["overall"], card["scores"]["speakers"]
    known = {name: metric for name, metric in METRICS.items() if name in overall}
    return {
        "metrics": known,
        "others": [metric for name, metric in known.items() if name != "uar"],
        "of_speakers": [
            metric
            for name, metric in known.items()
            if all(name in row for row in speakers.values())
        ],
    }


def _text(value: object) -> str:
    """Escape text for a table in Markdown."""
    return str(value).translate(TABLE)


def _speakers(scores: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Rank, name and scores of all speakers, or of the worst, the median and the best."""
    ranked = sorted(scores.items(), key=lambda item: (item[1]["uar"], item[0]))
    if len(ranked) <= ALL_SPEAKERS:
        return [("", name, row) for name, row in ranked]
    places = {"worst": 0, "median": len(ranked) // 2, "best": -1}
    return [(rank, *ranked[place]) for rank, place in places.items()]
