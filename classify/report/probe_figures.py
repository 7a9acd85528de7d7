"""The figures of a probe: which there are, what they show, as PNG and SVG."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from classify.report.published import anchors
from classify.report.style import Illustration, write
from data.cache.recipe import encoder_in_words

if TYPE_CHECKING:
    from classify.probing.result import Probe
    from classify.similarity import Similarity

Json = dict[str, Any]


def draw(probe: "Probe", folder: Path) -> list[Illustration]:
    """Write the figures of `probe` into `folder`; of a quick probe the curves alone."""
    metrics = probe.metrics
    targets = metrics["targets"]
    name, first = next(iter(targets.items()))
    planned = [
        Illustration(
            "curves", "Every layer", _of_curves(metrics, name), partial(curves_figure, metrics)
        )
    ]
    if "selection" in first:
        planned += _of_choice(metrics, name)
    if any("description_length" in target for target in targets.values()):
        words = (
            "Length of the labels' online code (Voita and Titov 2020) as a share of the uniform "
            "code's: the shorter, the easier the labels are read from the layer, and from the "
            "fewer examples. Band: one deviation over orders of the speakers."
        )
        make = partial(description_length_figure, metrics)
        planned.append(Illustration("description_length", "Description length", words, make))
    if probe.similarities:
        planned.append(_of_similarity("similarity", "Layers alike", probe.similarities.layers))
        if against := probe.similarities.against:
            planned.append(_of_similarity("against", "Encoders alike", against))
    if probe.maps and probe.maps.maps:
        words = (
            f"Standardised features of layer {probe.maps.layer}, coloured by {name} and by "
            "speaker. PCA and t-SNE do not know the labels. The discriminants were fitted to half "
            "of the speakers; the others are drawn."
        )
        make = partial(maps_figure, probe.maps, probe.targets[name])
        planned.append(Illustration("maps", f"Layer {probe.maps.layer} as a map", words, make))
    return write(planned, folder, f"Probe of {encoder_in_words(metrics)}")


def _of_curves(metrics: Json, name: str) -> str:
    words = (
        "UAR on held-out folds by hidden layer (0: input of the first transformer layer). Bands: "
        "95 % intervals over speakers."
    )
    if "controls" in metrics["targets"][name]:
        words += f" Grey: controls of {name}."
    if anchors(metrics):
        words += " White markers: published scores by other protocols, which are not comparable."
    return words


def _of_choice(metrics: Json, name: str) -> list[Illustration]:
    first = metrics["targets"][name]
    row = first["selection"]
    return [
        Illustration(
            "targets",
            "Targets and their controls",
            "A panel for each target. Ring: the layer best on test. Filled: layers that are "
            "not distinguishable from it (model confidence set over speakers, p > 0.05).",
            partial(targets_figure, metrics),
        ),
        Illustration(
            "selection",
            "Nested choice of the layer",
            "Left: layer and C chosen inside of each training part (filled), beside the layer "
            "best on test (open); the distance is its optimism. Right: the layers chosen.",
            partial(selection_figure, metrics),
        ),
        Illustration(
            "confusion",
            f"Confusion of {name}",
            "Predictions of the nested choice: shares of the true class, and counts where there "
            "is room.",
            partial(confusion_figure, row["confusion"], first["classes"]),
        ),
        Illustration(
            "recall",
            f"Classes of {name}",
            "Recall of each class on each layer.",
            partial(recall_figure, first),
        ),
        Illustration(
            "speakers",
            f"{name.capitalize()} by speaker",
            "UAR of each speaker by the nested choice; dashed: of all utterances.",
            partial(speakers_figure, row, first["chance"]),
        ),
    ]


def _of_similarity(name: str, title: str, found: "Similarity") -> Illustration:
    count = str(found.utterances)
    if found.utterances < found.of:
        count += f" (of {found.of}: those in both caches)"
    words = f"Linear CKA (Kornblith et al. 2019), debiased, on {count} utterances."
    return Illustration(name, title, words, partial(similarity_figure, found))
