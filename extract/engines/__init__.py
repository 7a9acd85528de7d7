"""Engines run an encoder on batches; their results differ only by rounding."""

from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data.cache.recipe import Recipe
from data.errors import UsageError
from extract.encoders.checkpoint import find
from extract.encoders.identity import Remembered
from extract.engines.base import BFLOAT16_IS_QUICKER, Engine, Pooled
from extract.hardware import multiplies_bfloat16, pick_device
from extract.recipe import Request, describe

if TYPE_CHECKING:
    from extract.encoders.encoder import Encoder

__all__ = ["BFLOAT16_IS_QUICKER", "Engine", "LateEngine", "Pooled", "open_engine"]


class LateEngine(Engine):
    """An engine that is opened when it embeds for the first time; see `Engine`.

    Its recipe is known before. If the identity of the encoder is remembered, and no GPU has to be
    looked for, neither torch nor OpenVINO is imported until then.

    Args:
        model: see `open_engine`.
        request: see `open_engine`.
        device: see `open_engine`.
        opened: called with the engine once it is open.

    Raises:
        EncoderError: the encoder cannot be loaded.
        UsageError: the device or the engine is not available.
    """

    def __init__(
        self,
        model: str,
        request: Request,
        device: str = "auto",
        opened: Callable[[Engine], None] = lambda engine: None,
    ) -> None:
        self._checkpoint = find(model)
        self._request = request
        self._opened = opened
        self._encoder: Encoder | None = None
        self._remembered = Remembered(self._checkpoint)
        name, self._device = _choose(request, device)
        self._known = self._remembered.read()
        self._identity = self._known or self._load().identity
        if name == "openvino" and not self._identity.traceable:
            if request.engine == "openvino":
                raise UsageError(
                    f"--engine openvino: {self._identity.name} is a {self._identity.architecture}, "
                    "which OpenVINO does not run; use --engine torch"
                )
            name = "torch"
        self.receptive_field = self._identity.receptive_field
        self.recipe = describe(self._identity, request, engine=name)

    @cached_property
    def engine(self) -> Engine:
        """The engine, which is opened at the first access."""
        engine: Engine
        if self.recipe["engine"] == "openvino":
            try:
                from extract.engines.openvino import OpenVINOEngine  # late: imports OpenVINO
            except ImportError as error:  # which is what an interrupt during this import becomes
                if isinstance(error.__cause__, KeyboardInterrupt):
                    raise KeyboardInterrupt from None
                raise
            verify = self._remembered.verify
            engine = OpenVINOEngine(self._identity, self._request, self._load, verify)
        else:
            from extract.engines.torch import TorchEngine  # late: importing torch takes seconds

            engine = TorchEngine(self._load(), self._request, self._device)
        self._encoder = None
        self._opened(engine)
        return engine

    def _load(self) -> "Encoder":
        """Load the encoder, once until an engine is open."""
        if self._encoder is None:
            from extract.encoders.encoder import load  # late: importing torch takes seconds

            self._encoder = load(self._checkpoint)
            if self._known is None:
                self._remembered.write(self._encoder.identity)
            elif self._known != self._encoder.identity:
                raise self._remembered.changed()
        return self._encoder

    def __getattr__(self, name: str) -> Any:
        """Attributes that only an open engine has."""
        if name not in Engine.__annotations__:
            raise AttributeError(name)
        return getattr(self.engine, name)

    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """See `Engine.embed`."""
        return self.engine.embed(waveforms)


def open_engine(
    model: str, request: Request, device: str = "auto", recipe: Recipe | None = None
) -> Engine:
    """Open an engine for the encoder `model` on a device (``auto``, ``cpu``, ``cuda``, ``cuda:1``,
    ``mps``), whose open options are those of `recipe`.

    Raises:
        EncoderError: the encoder cannot be loaded.
        UsageError: the device or the engine is not available.
    """
    return LateEngine(model, request.fitted_to(recipe), device).engine


def _choose(request: Request, device: str) -> tuple[str, str]:
    """Name of the engine, and the device.

    Raises:
        UsageError: they are not available.
    """
    installed = find_spec("openvino") is not None
    if request.engine == "openvino":
        if not installed:
            raise UsageError(
                "--engine openvino is not installed (pip install 'wav2emo[openvino]'); a cache of "
                "this engine can only be extended by it"
            )
        if device not in ("auto", "cpu"):
            raise UsageError(f"--device {device}: OpenVINO is for the CPU; use --engine torch")
        return "openvino", "cpu"
    device = pick_device(device)
    possible = request.precision != "bfloat16" or multiplies_bfloat16(device)
    if device == "cpu" and request.engine == "auto" and installed and possible:
        return "openvino", device
    return "torch", device
