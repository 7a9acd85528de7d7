"""Published scores of a frozen wav2vec2-base, for orientation.

They were measured with other folds, classes and features, so they are not directly comparable:
Pepino et al. tested RAVDESS on actors 23 and 24, with features normalised by speaker or overall.
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Anchor:
    """A published score."""

    corpus: str
    classes: int
    score: float
    measure: str  # "UAR" or "accuracy"
    layer: int | None  # None: of all layers
    source: str
    protocol: str  # what of it differs


PEPINO, SUPERB, DECODING = "Pepino et al. 2021", "SUPERB", "Decoding-Emotions"

ANCHORS = (
    Anchor("ravdess", 7, 0.843, "UAR", None, PEPINO, "7 classes, by speaker"),
    Anchor("ravdess", 7, 0.757, "UAR", None, PEPINO, "7 classes"),
    Anchor("ravdess", 8, 0.623, "accuracy", 4, DECODING, "own splits"),
    Anchor("emodb", 7, 0.895, "accuracy", 5, DECODING, "own splits"),
    Anchor("iemocap", 4, 0.672, "UAR", None, PEPINO, "by speaker"),
    Anchor("iemocap", 4, 0.658, "UAR", None, PEPINO, "overall"),
    Anchor("iemocap", 4, 0.634, "accuracy", None, SUPERB, "5 sessions"),
    Anchor("iemocap", 4, 0.628, "accuracy", 6, DECODING, "own splits"),
)
CITATIONS = {
    PEPINO: "https://arxiv.org/abs/2104.03502",
    SUPERB: "https://superbbenchmark.org",
    DECODING: None,
}


def fitting(
    corpora: Collection[str], target: str, classes: int, layers: Collection[int]
) -> list[Anchor]:
    """The scores published for the one corpus, for its emotions, of a layer that is among
    `layers`. Of nearly as many classes, since protocols differ in that too."""
    if len(corpora) != 1 or target != "emotion":
        return []
    return [
        anchor
        for anchor in ANCHORS
        if anchor.corpus in corpora
        and abs(anchor.classes - classes) <= 1
        and (anchor.layer is None or anchor.layer in layers)
    ]
