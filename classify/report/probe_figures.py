"""The figures of a probe: which there are, what they show, as PNG and SVG."""

from functools import partial
from pathlib import Path

from classify.probing.result import NestedScores, Probe, TargetResult
from classify.probing.similarity import Similarity
from classify.report.curve_figures import (
    curves_figure,
    description_length_figure,
    selection_figure,
    targets_figure,
)
from classify.report.matrix_figures import (
    confusion_figure,
    maps_figure,
    recall_figure,
    similarity_figure,
    speakers_figure,
)
from classify.report.published import Anchor, anchors
from classify.report.style import Illustration, write
from data.cache.recipe import in_words


def draw(probe: Probe, folder: Path) -> list[Illustration]:
    """Write the figures of `probe` into `folder`; of a quick probe the curves alone."""
    targets, first = list(probe.targets.values()), probe.first
    published = anchors(probe)
    make = partial(curves_figure, targets, published)
    planned = [Illustration("curves", "Every layer", _of_curves(first, published), make)]
    if first.nested:
        planned += _of_choice(targets, first, first.nested)
    if any(target.description_length for target in targets):
        words = (
            "Length of the labels' online code (Voita and Titov 2020) as a share of the uniform "
            "code's: the shorter, the easier the labels are read from the layer, and from the "
            "fewer examples. Band: one deviation over orders of the speakers."
        )
        make = partial(description_length_figure, targets)
        planned.append(Illustration("description_length", "Description length", words, make))
    if probe.similarities:
        planned.append(_of_similarity("similarity", "Layers alike", probe.similarities.layers))
        if against := probe.similarities.against:
            planned.append(_of_similarity("against", "Encoders alike", against))
    if probe.maps and probe.maps.maps:
        words = (
            f"Standardised features of layer {probe.maps.layer}, coloured by {first.name} and by "
            "speaker. PCA and t-SNE do not know the labels. The discriminants were fitted to half "
            "of the speakers; the others are drawn."
        )
        make = partial(maps_figure, probe.maps, first.task)
        planned.append(Illustration("maps", f"Layer {probe.maps.layer} as a map", words, make))
    return write(planned, folder, f"Probe of {in_words(probe.recipe)}")


def _of_curves(first: TargetResult, published: list[Anchor]) -> str:
    words = (
        "UAR on held-out folds by hidden layer (0: input of the first transformer layer). Bands: "
        "95 % intervals over speakers."
    )
    if first.nested:
        words += f" Grey: controls of {first.name}."
    if published:
        words += " White markers: published scores by other protocols, which are not comparable."
    return words


def _of_choice(
    targets: list[TargetResult], first: TargetResult, nested: NestedScores
) -> list[Illustration]:
    name = first.name
    return [
        Illustration(
            "targets",
            "Targets and their controls",
            "A panel for each target. Ring: the layer best on test. Filled: layers that are "
            "not distinguishable from it (model confidence set over speakers, p > 0.05).",
            partial(targets_figure, targets),
        ),
        Illustration(
            "selection",
            "Nested choice of the layer",
            "Left: layer and C chosen inside of each training part (filled), beside the layer "
            "best on test (open); the distance is its optimism. Right: the layers chosen.",
            partial(selection_figure, targets),
        ),
        Illustration(
            "confusion",
            f"Confusion of {name}",
            "Predictions of the nested choice: shares of the true class, and counts where there "
            "is room.",
            partial(confusion_figure, nested.scores.confusion, first.task.classes),
        ),
        Illustration(
            "recall",
            f"Classes of {name}",
            "Recall of each class on each layer.",
            partial(recall_figure, first.layers),
        ),
        Illustration(
            "speakers",
            f"{name.capitalize()} by speaker",
            "UAR of each speaker by the nested choice; dashed: of all utterances.",
            partial(speakers_figure, nested, first.chance),
        ),
    ]


def _of_similarity(name: str, title: str, found: Similarity) -> Illustration:
    count = str(found.utterances)
    if found.utterances < found.of:
        count += f" (of {found.of}: those in both caches)"
    words = f"Linear CKA (Kornblith et al. 2019), debiased, on {count} utterances."
    return Illustration(name, title, words, partial(similarity_figure, found))
