"""The engine of OpenVINO: an encoder as two graphs, compiled for this CPU.

One makes features of a block of samples; the other makes pooled layers of a batch's features:
masking, all layers and pooling are inside of it. Making them takes seconds, so they are kept on
disk, under names that change with everything they are made of.
"""

import functools
import hashlib
import inspect
import json
import logging
import os
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino
import torch
import transformers
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

from data.atomic import publish_bytes
from data.cache.recipe import fingerprint
from data.errors import EncoderError, UsageError
from extract.encoders import architecture, convolutions, masking, pooled, pooling
from extract.encoders.encoder import Encoder
from extract.encoders.pooled import PooledEncoder
from extract.engines.base import Pooled, as_pooled, provenance
from extract.engines.torch import let_float32_be_exact, multiplies_bfloat16
from extract.recipe import Request, describe

log = logging.getLogger("wav2emo")

DEVICE = "CPU"
KEPT = 6  # compiled graphs on disk, two an encoder, 4 bytes a weight
BATCH_SECONDS = 8.0
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
CPU = torch.device("cpu")
TYPES = {torch.float32: openvino.Type.f32, torch.bool: openvino.Type.boolean}


class OpenVINOEngine:
    """Runs an encoder compiled by OpenVINO."""

    streams = 1
    batch_seconds = BATCH_SECONDS

    def __init__(self, encoder: Encoder, request: Request) -> None:
        self.receptive_field = encoder.receptive_field
        self.recipe = describe(encoder, request, engine="openvino")
        core = _core(self.recipe["precision"])
        self.suggests_bfloat16 = request.precision is None and multiplies_bfloat16("cpu")
        name = core.get_property(DEVICE, "FULL_DEVICE_NAME").strip()
        self.provenance = provenance(name, encoder.location, "openvino")
        self._encoder = PooledEncoder(encoder, self.recipe)
        self._busy = threading.Lock()  # a request holds the inputs and outputs of one thread
        example = [np.zeros(samples, np.float32) for samples in (16_000, 8_000)]
        batch = self._encoder.batch(example, CPU)
        first = batch.samples[:1], batch.kernels[:1]
        second = [self._encoder.features(batch), batch.valid]
        second += [] if batch.steps is None else [batch.steps]
        identity = fingerprint(self.recipe) + inspect.getsource(type(encoder.architecture))
        self._convolve = _compiled(core, self._encoder.convolutions, first, identity + "1")
        self._transform = _compiled(core, self._encoder, second, identity + "2")
        del self._encoder.transformer, self._encoder.project, self._encoder.convolutions.others

    def embed(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> Pooled:
        """Embed (sample,) waveforms at 16 kHz, already normalised, each as if it were alone."""
        let_float32_be_exact()  # the first convolution is torch's
        batch = self._encoder.batch(waveforms, CPU)
        steps = () if batch.steps is None else (batch.steps,)
        try:
            with self._busy:
                features = self._encoder.features(
                    batch, lambda *block: _run(self._convolve, block)[0]
                )
                outputs = _run(self._transform, (features, batch.valid, *steps))
        except RuntimeError as error:
            if "alloc" in str(error) or "memory" in str(error):
                raise MemoryError(str(error)) from None
            raise
        return as_pooled(self.recipe, batch, *(output.numpy() for output in outputs))


def _run(request: openvino.InferRequest, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    arrays = [tensor.contiguous().numpy() for tensor in inputs]
    request.infer(arrays, share_inputs=True)
    return [torch.from_numpy(tensor.data.copy()) for tensor in request.output_tensors]


def _loaded() -> openvino.Core:
    """OpenVINO with its code for CPUs.

    Where there is AMX, that gives the thread which loads it a stack for signal handlers that has
    room for one of them: a second signal at the same time would kill the program (SIGSEGV). So it
    is loaded in a thread that ends, which signals do not reach.
    """

    def load() -> openvino.Core:
        core = openvino.Core()
        core.get_property(DEVICE, "FULL_DEVICE_NAME")
        return core

    with ThreadPoolExecutor(1, thread_name_prefix="openvino") as thread:
        return thread.submit(load).result()


def _core(precision: str) -> openvino.Core:
    if precision == "bfloat16" and not multiplies_bfloat16("cpu"):
        raise UsageError(
            "bfloat16: this CPU does not multiply it, so OpenVINO would compute float32; make a "
            "new cache with --precision float32, or extend this one where the CPU does"
        )
    core = _loaded()
    core.set_property(DEVICE, {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]})
    if threads := os.environ.get("OMP_NUM_THREADS"):  # to which its own threads do not listen
        core.set_property(DEVICE, {"INFERENCE_NUM_THREADS": int(threads)})
    return core


def _compiled(
    core: openvino.Core, module: torch.nn.Module, inputs: Sequence[torch.Tensor], identity: str
) -> openvino.InferRequest:
    """The compiled graph of a module, from disk if it is there."""
    kept = _folder() / f"{_name(core, identity)}.blob"
    try:
        compiled = core.import_model(kept.read_bytes(), DEVICE)
        os.utime(kept)
        return compiled.create_infer_request()
    except FileNotFoundError:
        pass
    except (OSError, RuntimeError) as error:
        log.debug("%s: %s", kept, error)
    _tell_of_compiling(kept.parent)
    compiled = core.compile_model(_graph(module, inputs), DEVICE)
    _keep(compiled, kept)
    return compiled.create_infer_request()


@functools.cache  # an encoder is several graphs
def _tell_of_compiling(folder: Path) -> None:
    log.info("compiling the encoder for this CPU, once; kept in %s", folder)


def _graph(module: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> openvino.Model:
    """Trace a module. `openvino.convert_model` would do the same, and report its use."""
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's, on shapes, which are all dynamic here
            decoder = TorchScriptPythonDecoder(module.eval(), example_input=tuple(inputs))
        frontend = FrontEndManager().load_by_framework("pytorch")
        graph = frontend.convert(frontend.load(decoder))
    except Exception as error:  # of many kinds, none of them documented
        log.debug("%s", error)
        raise EncoderError(
            "OpenVINO cannot convert this encoder (-v says why): use --engine torch"
        ) from error
    for given, tensor in zip(graph.inputs, inputs, strict=True):
        node = given.get_node()
        node.set_partial_shape(openvino.PartialShape([-1] * tensor.ndim))
        node.set_element_type(TYPES[tensor.dtype])
    graph.validate_nodes_and_infer_types()
    return graph


def _keep(compiled: openvino.CompiledModel, kept: Path) -> None:
    """Write the compiled graph; that it cannot be written stops nothing."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        publish_bytes(kept, compiled.export_model().getvalue())
        old = sorted(kept.parent.glob("*.blob"), key=lambda path: path.stat().st_mtime)[:-KEPT]
        for path in old:
            path.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        log.debug("%s is not kept: %s", kept, error)


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "wav2emo"


def _name(core: openvino.Core, identity: str) -> str:
    """What is compiled, hardware, libraries and the source of the graph, digested."""
    modules = (architecture, convolutions, masking, pooled, pooling)
    source = [inspect.getsource(module) for module in modules]
    parts = [
        identity,
        core.get_property(DEVICE, "FULL_DEVICE_NAME"),
        *sorted(core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")),  # names are not unique
        openvino.__version__,
        torch.__version__,
        transformers.__version__,
        *source,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
