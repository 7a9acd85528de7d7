"""Export a trained model to an ONNX file and compare the outputs of both."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from classify.export.check import Deviation, check, noise
from classify.export.graph import Graph
from classify.export.trace import about, traced
from classify.inference.predictor import Predictor
from classify.models.trained import TrainedHead
from data.atomic import publish_bytes
from data.errors import AudioError, UsageError
from extract import audio
from extract.encoders.checkpoint import find
from extract.encoders.encoder import load

log = logging.getLogger("wav2emo")


@dataclass(frozen=True)
class Exported:
    """Size of an exported graph, and its deviations from the model."""

    bytes: int
    dim: int  # of hidden_states
    shortest: int  # samples
    seconds: tuple[float, ...]  # of what it was checked on
    agreements: list[Deviation]


def export(
    model: TrainedHead, path: Path, encoder: str | None = None, recordings: Sequence[Path] = ()
) -> Exported:
    """Write `model` and its encoder to `path` as one ONNX graph, if its outputs equal the model's.

    Args:
        model: a trained head.
        path: the file; an existing file is replaced at the end.
        encoder: the folder of the model's encoder, if it has moved.
        recordings: audio files to check the graph on; none: seeded noise.

    Raises:
        EncoderError, RecipeMismatch: the model's encoder is not available.
        ModelError: the outputs of graph and model differ.
        UsageError: the model is too large, or a recording cannot be read.
        OSError: the disk is full or cannot be written; `path` has not changed.
    """
    if model.recipe["precision"] != "float32":
        log.info(
            "trained on embeddings in %s; the graph computes float32, and is checked against that",
            model.recipe["precision"],
        )
    model = replace(model, card={**model.card, "recipe": model.recipe | {"precision": "float32"}})
    place = encoder or model.card["encoder_location"] or model.recipe["model"]
    loaded = load(find(place))
    if not loaded.identity.traceable:
        raise UsageError(
            f"{loaded.identity.name} is a {loaded.identity.architecture}, which cannot be exported "
            "to ONNX; 'python -m classify predict' and 'serve' run it"
        )
    predictor = Predictor.open(model, "cpu", encoder)
    shortest = predictor.embedder.engine.receptive_field
    waveforms = [_read(file, shortest) for file in recordings] or noise(shortest)
    graph = Graph(model, loaded)
    content = traced(graph, about(model, shortest))
    agreements = check(content, predictor, waveforms)
    publish_bytes(path, content)
    seconds = tuple(len(waveform) / audio.SAMPLING_RATE for waveform in waveforms)
    return Exported(len(content), graph.dim, shortest, seconds, agreements)


def _read(file: Path, shortest: int) -> audio.Waveform:
    try:
        return audio.read(file, shortest=shortest).waveform
    except AudioError as error:
        raise UsageError(f"--check {file}: {error}") from None
    except OSError as error:
        raise UsageError(f"--check {file}: {error.strerror}") from None
