"""The OpenVINO engine: an encoder as two graphs, with NumPy around them.

The graphs are made by torch once (`extract.engines.conversion`) and kept on disk
(`extract.engines.kept`). With kept graphs, neither torch nor transformers is imported.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import openvino

from data.cache.recipe import Recipe
from data.errors import UsageError
from extract.encoders.framing import blocks, frames, step_of_frames, valid_frames
from extract.encoders.identity import Identity
from extract.engines import kept
from extract.engines.base import Engine, Pooled, as_pooled, provenance
from extract.hardware import cpu_name, multiplies_bfloat16
from extract.recipe import Request, describe

if TYPE_CHECKING:
    from extract.encoders.encoder import Encoder

log = logging.getLogger("wav2emo")

DEVICE = "CPU"
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
# in bfloat16, reading the weights takes longer than the products of a short batch
BATCH_SECONDS = {"float32": 8.0, "bfloat16": 16.0}

Floats = npt.NDArray[np.float32]


class OpenVINOEngine(Engine):
    """Runs an encoder in OpenVINO.

    Args:
        identity: identity of the encoder.
        request: options that determine the numbers.
        load: loads the encoder; called if no graphs are kept.
        verify: raises an error if the encoder has changed; called beside the first batch if
            `load` was not called.
    """

    streams = 1

    def __init__(
        self,
        identity: Identity,
        request: Request,
        load: "Callable[[], Encoder]",
        verify: Callable[[], None] = lambda: None,
    ) -> None:
        self.receptive_field = identity.receptive_field
        self.recipe = describe(identity, request, engine="openvino")
        self.batch_seconds = BATCH_SECONDS[self.recipe["precision"]]
        self.suggests_bfloat16 = request.precision is None and multiplies_bfloat16()
        self.provenance = provenance(cpu_name(), identity.location, "openvino")
        self._identity, self._sizes = identity, identity.sizes
        self._steps_per_frame = (self.recipe["sequence_rate"] or 0.0) / identity.frame_rate
        self._busy = threading.Lock()  # a request has the inputs and outputs of one thread
        self._verified: Future[None] | None = None
        core = _core(self.recipe["precision"])
        folder = kept.place(self.recipe, identity)
        compiled = kept.read(folder, core, DEVICE)
        if compiled is None:
            log.info("converting the encoder for OpenVINO, once; kept in %s", folder.parent)
            compiled = _converted(load(), self.recipe, folder, core)
        else:
            thread = ThreadPoolExecutor(1, thread_name_prefix="verify")
            self._verified = thread.submit(verify)
            thread.shutdown(wait=False)
        self._first, convolve, transform = compiled
        self._convolve, self._transform = (
            graph.create_infer_request() for graph in (convolve, transform)
        )

    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """See `Engine.embed`."""
        features = [frames(len(waveform), self._sizes) for waveform in waveforms]
        counts = [self._identity.frames(len(waveform)) for waveform in waveforms]
        inputs: list[npt.NDArray] = [valid_frames(features)]
        if self.recipe["sequence_layers"]:
            inputs.append(step_of_frames(counts, self._steps_per_frame))
        try:
            with self._busy:
                padded = _padded([self._features(waveform) for waveform in waveforms])
                outputs = _run(self._transform, padded, *inputs)
        except RuntimeError as error:
            if "alloc" in str(error) or "memory" in str(error):
                raise MemoryError(str(error)) from None
            raise
        if self._verified:
            self._verified.result()
            self._verified = None
        return as_pooled(self.recipe, counts, self._steps_per_frame, *outputs)

    def _features(self, waveform: Floats) -> Floats:
        """Compute features (frame, channel) of (sample,)."""
        layer = self._first
        scale, shift = np.ones_like(layer.bias), layer.bias
        if len(layer.weight):
            windows = np.lib.stride_tricks.sliding_window_view(waveform, len(layer.kernels))
            scale, shift = layer.scale_and_shift(windows[:: self._sizes[0][1]].astype(np.float64))
        scale, shift = scale.astype(np.float32), shift.astype(np.float32)
        if self.recipe["precision"] == "bfloat16":
            first = [scale[None, :, None], shift[None, :, None]]
        else:
            kernels = np.vstack([layer.kernels * scale, shift])  # the last tap is the bias
            first = [kernels[None].astype(np.float32)]
        found = [
            _run(self._convolve, waveform[None, block], *first)[0][0]
            for block in blocks(len(waveform), self._sizes)
        ]
        return np.concatenate(found)


def _padded(rows: Sequence[Floats]) -> Floats:
    """Join (frame, channel) of each utterance to (utterance, frame, channel)."""
    joined = np.zeros((len(rows), max(map(len, rows)), rows[0].shape[1]), np.float32)
    for row, values in zip(joined, rows, strict=True):
        row[: len(values)] = values
    return joined


def _run(request: openvino.InferRequest, *inputs: npt.NDArray) -> list[Floats]:
    request.infer([np.ascontiguousarray(array) for array in inputs], share_inputs=True)
    return [tensor.data.copy() for tensor in request.output_tensors]


def _converted(
    encoder: "Encoder", recipe: Recipe, folder: Path, core: openvino.Core
) -> kept.Compiled:
    """Convert an encoder, and keep it if that is possible."""
    from extract.engines.conversion import convert  # late: imports torch

    graphs = convert(encoder, recipe)
    kept.write(graphs, folder)
    return kept.read(folder, core, DEVICE) or (
        graphs.first,
        core.compile_model(graphs.convolutions, DEVICE),
        core.compile_model(graphs.transformer, DEVICE),
    )


def _loaded() -> openvino.Core:
    """Load OpenVINO's code for CPUs.

    On a CPU with AMX, this code gives the thread that loads it a stack for only one signal handler,
    and a second signal at the same time would kill the program (SIGSEGV). It is therefore loaded in
    a temporary thread, which receives no signals.
    """

    def load() -> openvino.Core:
        core = openvino.Core()
        core.get_property(DEVICE, "FULL_DEVICE_NAME")
        return core

    with ThreadPoolExecutor(1, thread_name_prefix="openvino") as thread:
        return thread.submit(load).result()


def _core(precision: str) -> openvino.Core:
    if precision == "bfloat16" and not multiplies_bfloat16():
        raise UsageError(
            "this CPU does not multiply bfloat16, so OpenVINO would compute float32; make a new "
            "cache with --precision float32, or extend this one on a CPU with bfloat16"
        )
    core = _loaded()
    core.set_property(DEVICE, {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]})
    if threads := os.environ.get("OMP_NUM_THREADS"):  # which OpenVINO ignores
        core.set_property(DEVICE, {"INFERENCE_NUM_THREADS": int(threads)})
    return core
