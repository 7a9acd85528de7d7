"""The figures of a probe: which there are, what they show, as PNG and SVG."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from classify.report import curve_figures, matrix_figures
from classify.report.published import anchors
from classify.report.style import Illustration, Planned, write
from data.cache.recipe import encoder_in_words

if TYPE_CHECKING:
    from classify.probe.geometry import LayerMaps, Similarities
    from classify.probe.result import Probe

Json = dict[str, Any]


def draw(probe: "Probe", folder: Path) -> list[Illustration]:
    """Write the figures of `probe` into `folder`; of a quick probe the curves alone."""
    return write(_planned(probe), folder, f"Probe of {encoder_in_words(probe.metrics)}")


def _planned(probe: "Probe") -> list[Planned]:
    metrics = probe.metrics
    targets = metrics["targets"]
    name, first = next(iter(targets.items()))
    found = [
        (
            Illustration("curves", "Every layer", _of_curves(metrics, name)),
            lambda: curve_figures.curves_figure(metrics),
        )
    ]
    if "selection" in first:
        found += _of_choice(probe, name)
    if any("description_length" in target for target in targets.values()):
        words = (
            "Length of the labels' online code (Voita and Titov 2020) as a share of the uniform "
            "code's: the shorter, the easier the labels are read from the layer, and from the "
            "fewer examples. Band: one deviation over orders of the speakers."
        )
        found.append(
            (
                Illustration("description_length", "Description length", words),
                lambda: curve_figures.description_length_figure(metrics),
            )
        )
    if probe.similarities:
        found += _of_similarities(probe.similarities)
    if probe.maps and probe.maps.maps:
        found.append(_of_maps(probe, name, probe.maps))
    return found


def _of_curves(metrics: Json, name: str) -> str:
    words = [
        "UAR on held-out folds by hidden layer (0: input of the first transformer layer).",
        "Bands: 95 % intervals over speakers.",
    ]
    if "controls" in metrics["targets"][name]:
        words.append(f"Grey: controls of {name}.")
    if anchors(metrics):
        words.append(
            "White markers: published scores by other protocols, for orientation only: they are "
            "not comparable."
        )
    return " ".join(words)


def _of_choice(probe: "Probe", name: str) -> list[Planned]:
    metrics = probe.metrics
    first = metrics["targets"][name]
    row = first["selection"]
    return [
        (
            Illustration(
                "targets",
                "Targets and their controls",
                "A panel for each target. Ring: the layer best on test. Filled: layers that are "
                "not distinguishable from it (model confidence set over speakers, p > 0.05).",
            ),
            lambda: curve_figures.targets_figure(metrics),
        ),
        (
            Illustration(
                "selection",
                "Nested choice of the layer",
                "Left: layer and C chosen inside of each training part (filled), beside the layer "
                "best on test (open); the distance is its optimism. Right: the layers chosen.",
            ),
            lambda: curve_figures.selection_figure(metrics),
        ),
        (
            Illustration(
                "confusion",
                f"Confusion of {name}",
                "Predictions of the nested choice: shares of the true class, and counts where "
                "there is room.",
            ),
            lambda: matrix_figures.confusion_figure(row["confusion"], first["classes"]),
        ),
        (
            Illustration("recall", f"Classes of {name}", "Recall of each class on each layer."),
            lambda: matrix_figures.recall_figure(first),
        ),
        (
            Illustration(
                "speakers",
                f"{name.capitalize()} by speaker",
                "UAR of each speaker by the nested choice; dashed: of all utterances.",
            ),
            lambda: matrix_figures.speakers_figure(row, first["chance"]),
        ),
    ]


def _of_similarities(similarities: "Similarities") -> list[Planned]:
    within, against = similarities.layers, similarities.against
    estimate = "Linear CKA (Kornblith et al. 2019), debiased, on {} utterances."
    found: list[Planned] = [
        (
            Illustration("similarity", "Layers alike", estimate.format(within.utterances)),
            lambda: matrix_figures.similarity_figure(within),
        )
    ]
    if against:
        count = str(against.utterances)
        if against.utterances < against.of:
            count = f"{against.utterances} (of {against.of}: those in both caches)"
        found.append(
            (
                Illustration("against", "Encoders alike", estimate.format(count)),
                lambda: matrix_figures.similarity_figure(against),
            )
        )
    return found


def _of_maps(probe: "Probe", name: str, maps: "LayerMaps") -> Planned:
    words = (
        f"Standardised features of layer {maps.layer}, coloured by {name} and by speaker. PCA and "
        "t-SNE do not know the labels. The discriminants were fitted to half of the speakers; the "
        "others are drawn."
    )
    return (
        Illustration("maps", f"Layer {maps.layer} as a map", words),
        lambda: matrix_figures.maps_figure(maps, probe.targets[name]),
    )
