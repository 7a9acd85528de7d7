"""The torch engine: CPU, CUDA and Apple's GPUs."""

import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from extract.encoders.encoder import Encoder
from extract.encoders.pooled import PooledEncoder
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
        self.provenance = provenance(_name(self.device), identity.location)
        self.encoder = PooledEncoder(encoder, self.recipe)
        precision, native = self.recipe["precision"], multiplies_bfloat16(device)
        self.suggests_bfloat16 = native and request.precision is None
        if precision == "bfloat16" and not native and self.device.type != "mps":
            log.warning("%s does not multiply bfloat16: torch simulates it, which is many times "
                        "slower than float32", self.provenance["device"])  # fmt: skip
        self.encoder.place(self.device, DTYPES[precision])
        self._streams = threading.local()
        self.streams = 2 if self.device.type == "cuda" else 1
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


def _name(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return f"{device} {name}"
