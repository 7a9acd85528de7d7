"""The OpenVINO engine: an encoder as two graphs that are compiled for this CPU.

The first graph computes features of a block of samples. The second computes pooled layers from the
features of a batch, including masking. Compilation takes seconds, so the graphs are stored on disk,
under names that depend on everything that determines them.
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
from extract.engines.torch import CPU_BATCH_SECONDS, disable_tf32, multiplies_bfloat16
from extract.recipe import Request, describe

log = logging.getLogger("wav2emo")

DEVICE = "CPU"
KEPT = 6  # compiled graphs on disk, two per encoder, 4 bytes per weight
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
CPU = torch.device("cpu")
TYPES = {torch.float32: openvino.Type.f32, torch.bool: openvino.Type.boolean}


class OpenVINOEngine:
    """Runs an encoder that OpenVINO has compiled."""

    streams = 1
    batch_seconds = CPU_BATCH_SECONDS

    def __init__(self, encoder: Encoder, request: Request) -> None:
        self.receptive_field = encoder.receptive_field
        self.recipe = describe(encoder, request, engine="openvino")
        core = _core(self.recipe["precision"])
        self.suggests_bfloat16 = request.precision is None and multiplies_bfloat16("cpu")
        name = core.get_property(DEVICE, "FULL_DEVICE_NAME").strip()
        self.provenance = provenance(name, encoder.location, "openvino")
        self._encoder = PooledEncoder(encoder, self.recipe)
        self._busy = threading.Lock()  # a request has the inputs and outputs of one thread
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
        """See `Engine.embed`."""
        disable_tf32()  # torch computes the first convolution
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
    if precision == "bfloat16" and not multiplies_bfloat16("cpu"):
        raise UsageError(
            "this CPU does not multiply bfloat16, so OpenVINO would compute float32; make a new "
            "cache with --precision float32, or extend this one on a CPU with bfloat16"
        )
    core = _loaded()
    core.set_property(DEVICE, {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]})
    if threads := os.environ.get("OMP_NUM_THREADS"):  # which OpenVINO ignores
        core.set_property(DEVICE, {"INFERENCE_NUM_THREADS": int(threads)})
    return core


def _compiled(
    core: openvino.Core, module: torch.nn.Module, inputs: Sequence[torch.Tensor], identity: str
) -> openvino.InferRequest:
    """Compile the graph of a module, or load it from disk."""
    file = _folder() / f"{_name(core, identity)}.blob"
    try:
        compiled = core.import_model(file.read_bytes(), DEVICE)
        os.utime(file)
        return compiled.create_infer_request()
    except FileNotFoundError:
        pass
    except (OSError, RuntimeError) as error:
        log.debug("%s: %s", file, error)
    _log_compilation(file.parent)
    compiled = core.compile_model(_graph(module, inputs), DEVICE)
    _store(compiled, file)
    return compiled.create_infer_request()


@functools.cache  # once for all graphs
def _log_compilation(folder: Path) -> None:
    log.info("compiling the encoder for this CPU, once; stored in %s", folder)


def _graph(module: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> openvino.Model:
    """Trace a module like `openvino.convert_model`, which would report its use to the vendor."""
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracer warnings on shapes, which are all dynamic
            decoder = TorchScriptPythonDecoder(module.eval(), example_input=tuple(inputs))
        frontend = FrontEndManager().load_by_framework("pytorch")
        graph = frontend.convert(frontend.load(decoder))
    except Exception as error:  # undocumented, of many types
        log.debug("%s", error)
        raise EncoderError(
            "OpenVINO cannot convert this encoder (-v shows the reason); use --engine torch"
        ) from error
    for given, tensor in zip(graph.inputs, inputs, strict=True):
        node = given.get_node()
        node.set_partial_shape(openvino.PartialShape([-1] * tensor.ndim))
        node.set_element_type(TYPES[tensor.dtype])
    graph.validate_nodes_and_infer_types()
    return graph


def _store(compiled: openvino.CompiledModel, file: Path) -> None:
    """Write the compiled graph, if possible, and remove old ones."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        publish_bytes(file, compiled.export_model().getvalue())
        old = sorted(file.parent.glob("*.blob"), key=lambda path: path.stat().st_mtime)[:-KEPT]
        for path in old:
            path.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        log.debug("%s is not stored: %s", file, error)


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "wav2emo"


def _name(core: openvino.Core, identity: str) -> str:
    """Digest of the encoder, the hardware, the libraries and the source code of the graph."""
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
