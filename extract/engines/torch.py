"""Engines of torch: CPU, CUDA and Apple's GPUs."""

import contextlib
import copy
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from extract.encoders.encoder import Encoder
from extract.encoders.pooled import PooledEncoder, pool
from extract.engines.base import Engine, Pooled, as_pooled, provenance
from extract.hardware import cpu_name, multiplies_bfloat16
from extract.recipe import Request, describe

log = logging.getLogger("wav2emo")

CPU_BATCH_SECONDS = 8.0
CUDA_BATCH_SECONDS = 320.0  # larger batches are not faster
BYTES_PER_SECOND = 60e6  # peak memory for a second of audio in wav2vec2-base, rounded up

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class TorchEngine(Engine):
    """Runs an encoder in torch; the first batch disables TF32 in the whole process."""

    def __init__(self, encoder: Encoder, request: Request, device: str = "cpu") -> None:
        self.device = torch.device(device)
        identity = encoder.identity
        self.receptive_field = identity.receptive_field
        self.recipe = describe(identity, request, engine="torch")
        cuda = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if cuda else cpu_name()
        self.provenance = provenance(f"{self.device} {name}", identity.location)
        self.encoder = PooledEncoder(encoder, self.recipe)
        precision, native = self.recipe["precision"], multiplies_bfloat16(device)
        self.suggests_bfloat16 = native and request.precision is None
        if precision == "bfloat16" and not native and self.device.type != "mps":
            log.warning("%s does not multiply bfloat16: torch simulates it, which is many times "
                        "slower than float32", self.provenance["device"])  # fmt: skip
        self.encoder.place(self.device, DTYPES[precision])
        self._streams = threading.local()
        self.streams = 2 if cuda else 1
        self.batch_seconds = self._batch_seconds()

    @torch.inference_mode()
    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """See `Engine.embed`."""
        (pooled,) = self.embed_by([self], waveforms, None)
        return pooled

    @torch.inference_mode()
    def embed_by(
        self,
        engines: Sequence["TorchEngine"],
        waveforms: Sequence[npt.NDArray[np.float32]],
        shared: int | None,
    ) -> list[Pooled]:
        """Embed waveforms by several engines, of which this is the first.

        Args:
            engines: their encoders have the same parameters up to `shared`.
            waveforms: see `Engine.embed`.
            shared: see `PooledEncoder.shared_with`.
        """
        disable_tf32()
        found = []
        with self._stream():
            try:
                batch = self.encoder.batch(waveforms, self.device)
                padded = min(batch.lengths) < max(batch.lengths)
                features = None
                for engine in engines:
                    encoder = engine.encoder
                    if engine is not self and shared is not None and shared >= 0:
                        outputs = encoder.follow(self.encoder, shared)
                    else:
                        if features is None or shared is None:
                            features = encoder.features(batch)
                        outputs = encoder(features, batch.valid, batch.steps, padded)
                    found.append([output.cpu().numpy() for output in outputs])
            except RuntimeError as error:
                if lacks_memory(error):
                    raise MemoryError(str(error)) from None
                raise
        counts = [self.encoder.identity.frames(length) for length in batch.lengths]
        rate = self.encoder.steps_per_frame
        return [
            as_pooled(engine.recipe, counts, rate, *arrays)
            for engine, arrays in zip(engines, found, strict=True)
        ]

    def _stream(self) -> contextlib.AbstractContextManager[Any]:
        """Use a CUDA stream for each thread, so that one computes while another waits."""
        if self.device.type != "cuda":
            return contextlib.nullcontext()
        if not hasattr(self._streams, "own"):
            self._streams.own = torch.cuda.Stream(self.device)
        return torch.cuda.stream(self._streams.own)

    def _batch_seconds(self) -> float:
        """As much as fits into the memory of a GPU; little on a CPU, because of its caches."""
        if self.device.type != "cuda":
            return CPU_BATCH_SECONDS
        free, _ = torch.cuda.mem_get_info(self.device)
        width = self.encoder.transformer.config.hidden_size / 768
        fits = free / self.streams / (BYTES_PER_SECOND * width)
        return float(min(max(fits, CPU_BATCH_SECONDS), CUDA_BATCH_SECONDS))


class Together(Engine):
    """Engines of encoders that were fine-tuned from one base model; see `Engine`.

    Args:
        engines: with recipes that differ in their weights only.
    """

    suggests_bfloat16 = False

    def __init__(self, engines: Sequence[TorchEngine]) -> None:
        first = engines[0]
        self.engines = engines
        self.recipe: dict[str, Any] = first.recipe
        self.provenance: dict[str, Any] = first.provenance
        self.receptive_field = first.receptive_field
        self.batch_seconds, self.streams = first.batch_seconds, first.streams
        found = [first.encoder.shared_with(other.encoder) for other in engines[1:]]
        known = [layer for layer in found if layer is not None]
        self.shared = min(known) if len(known) == len(found) and known else None
        first.encoder.keeps = self.shared

    @property
    def what_is_shared(self) -> str:
        """The part of the encoder that is computed once, as text."""
        if self.shared is None:
            return "they share nothing"
        layers = f"layers 0 to {self.shared}" if self.shared > 0 else "layer 0"
        return f"{'the front end' if self.shared < 0 else layers} computed once"

    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """Layers of the first engine, then those of the second, …; sequences likewise."""
        each = self.engines[0].embed_by(self.engines, waveforms, self.shared)
        layers = {
            name: np.concatenate([one.layers[name] for one in each]) for name in each[0].layers
        }
        if each[0].sequences is None:
            return Pooled(layers, None)
        of_utterances = zip(*(one.sequences or () for one in each), strict=True)
        return Pooled(layers, [np.concatenate(sequences) for sequences in of_utterances])


class FeatureEngine(TorchEngine):
    """Computes the outputs of an encoder's convolutions; see `Engine`.

    They are stored as sequences of "layer" 0 of a recipe that names the stage.
    """

    def __init__(self, encoder: Encoder, device: str = "cpu") -> None:
        own = replace(encoder, model=copy.deepcopy(encoder.model))  # the other stays where it is
        rate = encoder.identity.frame_rate
        super().__init__(
            own, Request("0", ("mean",), rate, "0", "float32", "torch", baselines=()), device
        )
        self.recipe |= {
            "stage": "features",
            "layer_convention": "0: output of the convolutions",
        }

    @torch.inference_mode()
    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """See `Engine.embed`."""
        disable_tf32()
        batch = self.encoder.batch(waveforms, self.device)
        features = self.encoder.features(batch)
        pooled = pool(features, batch.valid, self.encoder.poolings)
        outputs = (values[None].cpu().numpy() for values in (pooled, features))
        return as_pooled(self.recipe, batch.valid.sum(1).tolist(), 1.0, *outputs)


def lacks_memory(error: RuntimeError) -> bool:
    """Whether torch has raised `error` because memory was not available.

    oneDNN, which computes convolutions on CPUs, reports only that it could not create or execute a
    primitive.
    """
    known = ("memory", "could not create a primitive", "could not execute a primitive")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in known)


def disable_tf32() -> None:
    """Disable TF32 and bfloat16 in float32 products and convolutions.

    Call it before each batch. It is not undone, since another thread may be computing a batch.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False  # torch's own default is True
