"""The inputs of a training: cached activations of frozen layers, or waveforms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.cache import Cache, columns
from data.errors import AudioError, CacheError, EncoderError
from data.utterance import Utterance
from extract import audio, pipeline
from extract.audio import SAMPLING_RATE
from extract.decoding import Refusal, ahead
from extract.encoders.encoder import Encoder
from extract.engines import Engine, open_engine
from extract.engines.torch import FeatureEngine
from extract.hardware import pick_device
from extract.pipeline import Settings
from extract.recipe import Request

Values = npt.NDArray[np.floating]  # (sample,), or (frame, dim)


@dataclass(frozen=True)
class Source:
    """The values of each utterance.

    Attributes:
        utterances: the table of the utterances that can be read, sorted by id, as of a cache.
        lengths: (utterance,) samples or frames.
        per_second: samples or frames of a second.
    """

    utterances: pd.DataFrame
    lengths: npt.NDArray[np.int64]
    per_second: float

    def read(self, row: int) -> Values:
        """The values of one utterance of the table."""
        raise NotImplementedError


@dataclass(frozen=True)
class Activations(Source):
    """Outputs of frozen layers, computed once into a cache with the guarantees of embeddings."""

    cache: Cache

    def read(self, row: int) -> Values:
        """See `Source.read`."""
        return self.cache.sequence(self.cache.sequence_layers[0], row)


@dataclass(frozen=True)
class Waveforms(Source):
    """Waveforms, decoded again in each epoch."""

    listed: Sequence[Utterance]
    encoder: Encoder
    max_seconds: float

    def read(self, row: int) -> Values:
        """See `Source.read`."""
        utterance = self.listed[row]
        known = str(self.utterances["sha256"].iloc[row])
        return _decoded(utterance, self.encoder, self.max_seconds, known).waveform


def activations(
    utterances: Sequence[Utterance],
    model: str,
    encoder: Encoder,
    reads: int | str,
    path: Path,
    device: str,
    settings: Settings,
) -> tuple[Activations, list[Refusal]]:
    """Compute what the training reads of the utterances that a cache does not contain.

    Args:
        utterances: of the corpora.
        model: name of the encoder.
        encoder: the same, loaded.
        reads: ``features``, or the number of a hidden layer.
        path: of the cache; see `pipeline.extract`.
        device: of the computation.
        settings: batches and threads.

    Raises:
        EncoderError: hidden states do not fit float16.
        CacheError: the cache has other utterances, too; or see `pipeline.extract`.
        OSError: see `pipeline.extract`.
    """
    engine: Engine
    rate = encoder.identity.frame_rate
    if reads == "features":
        engine = FeatureEngine(encoder, pick_device(device))
    else:
        layer = str(reads)
        request = Request(layer, ("mean",), rate, layer, "float32", baselines=())
        engine = open_engine(model, request, device)
    summary = pipeline.extract(utterances, engine, path, settings)
    cache = Cache(path)
    more = {*cache.utterances["id"]} - {utterance.id for utterance in utterances}
    if more:  # which have no labels
        raise CacheError(
            f"{path}: it has {len(more)} more utterances than the corpora, such as {min(more)}; "
            "give the same corpora, or remove it"
        )
    return Activations(cache.utterances, cache.steps(), rate, cache), summary.refused


def waveforms(
    utterances: Sequence[Utterance], encoder: Encoder, settings: Settings
) -> tuple[Waveforms, list[Refusal]]:
    """Decode all recordings once, to know their lengths and which are refused."""

    def measure(utterance: Utterance) -> tuple[Utterance, int, float, str] | Refusal:
        try:
            found = _decoded(utterance, encoder, settings.max_seconds)
        except (AudioError, OSError) as error:
            return Refusal(utterance, str(error))
        seconds = found.seconds
        settings.watch(seconds)
        return utterance, len(found.waveform), seconds, found.sha256

    found = list(ahead(measure, sorted(utterances, key=lambda one: one.id), settings.threads))
    kept = [one for one in found if not isinstance(one, Refusal)]
    if not kept:
        raise EncoderError(f"none of {len(utterances)} recordings could be read")
    listed, lengths, seconds, checksums = zip(*kept, strict=True)
    table = described(listed, seconds, checksums)
    refused = [one for one in found if isinstance(one, Refusal)]
    made = Waveforms(table, np.array(lengths), SAMPLING_RATE, listed, encoder, settings.max_seconds)
    return made, refused


def described(
    utterances: Sequence[Utterance], seconds: Sequence[float], sha256: Sequence[str]
) -> pd.DataFrame:
    """The table of utterances that a cache of them would have."""
    made = columns.from_utterances(utterances, seconds, sha256)
    return pd.DataFrame(
        {
            name: columns.decode(values) if values.dtype.kind == "S" else values
            for name, values in made.items()
        }
    )


def _decoded(
    utterance: Utterance, encoder: Encoder, max_seconds: float, sha256: str | None = None
) -> audio.Recording:
    identity, (start, end) = encoder.identity, (utterance.start, utterance.end)
    shortest = identity.receptive_field
    found = audio.read(utterance.file, start, end, max_seconds, shortest, sha256)
    return replace(found, waveform=audio.normalise(found.waveform)) if identity.normalise else found
