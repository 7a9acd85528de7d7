"""The engine of plain torch: CPU, CUDA and Apple's GPUs."""

import logging
import platform
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch
import transformers

from data.errors import EncoderError, UsageError
from extract.encoder import Encoder
from extract.engines import Pooled
from extract.masking import Padding, blind_to_padding, frames
from extract.pooling import pool, to_steps
from extract.recipe import Request, describe

log = logging.getLogger("wav2emo")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class TorchEngine:
    """Runs an encoder in torch; every utterance comes out as if it had been encoded alone.

    Hidden states are captured where they enter and leave the transformer layers, which means the
    same under every version of transformers, and pooled at once: only (layer, utterance, dim) is
    ever kept of a batch. Layers above the highest one asked for are not computed.
    """

    def __init__(self, encoder: Encoder, request: Request, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.receptive_field = encoder.receptive_field
        depth = len(encoder.model.encoder.layers)
        self.recipe = describe(encoder, request, depth, engine="torch")
        self.provenance = _provenance(self.device, encoder.location)
        self._layers = self.recipe["layers"]
        self._poolings = self.recipe["pooling"]
        self._sequence_layers = self.recipe["sequence_layers"]
        self._steps_per_frame = (request.sequence or 0.0) / encoder.frame_rate
        self._dtype = DTYPES[request.precision]
        self._padding = Padding(encoder.convolutions)
        self._model = encoder.model
        top = max([*self._layers, *self._sequence_layers, 1])
        del self._model.encoder.layers[top:]
        blind_to_padding(self._model, self._padding)
        self._model.to(self.device, self._dtype)
        self._capture(self._model.encoder.layers)
        self._valid = torch.zeros(0, 0, dtype=torch.bool)
        self._pooled: dict[int, torch.Tensor] = {}
        self._stepped: dict[int, list[torch.Tensor]] = {}

    def _capture(self, layers: torch.nn.ModuleList) -> None:
        def before(module: torch.nn.Module, args: tuple, kwargs: dict) -> None:
            self._keep(0, args[0] if args else kwargs["hidden_states"])

        layers[0].register_forward_pre_hook(before, with_kwargs=True)
        for number, layer in enumerate(layers, start=1):

            def after(module: torch.nn.Module, _: tuple, out: Any, number: int = number) -> None:
                self._keep(number, out[0] if isinstance(out, tuple) else out)

            layer.register_forward_hook(after)

    def _keep(self, layer: int, hidden: torch.Tensor) -> None:
        """Pool one layer's hidden states (utterance, frame, dim) while they are there."""
        if layer in self._layers:
            self._pooled[layer] = torch.stack(pool(hidden, self._valid, self._poolings))
        if layer in self._sequence_layers:
            lengths = self._valid.sum(dim=1).tolist()
            self._stepped[layer] = [
                to_steps(row[:length], self._steps_per_frame)
                for row, length in zip(hidden, lengths, strict=True)
            ]

    @torch.inference_mode()
    def embed(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> Pooled:
        """Embed (sample,) waveforms at 16 kHz, already normalised, each as if it were alone."""
        lengths = torch.tensor([len(waveform) for waveform in waveforms])
        samples = torch.zeros(len(waveforms), int(lengths.max()))
        for row, waveform in zip(samples, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        mask = torch.arange(samples.shape[1]) < lengths[:, None]
        self._padding.samples = lengths.to(self.device)
        count = int(frames(lengths.max(), self._padding.convolutions))
        self._valid = self._padding.valid(count)
        self._pooled, self._stepped = {}, {}
        try:
            self._model(
                samples.to(self.device, self._dtype), attention_mask=mask.to(self.device).long()
            )
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if isinstance(error, torch.OutOfMemoryError) or "memory" in str(error):
                raise MemoryError(str(error)) from None
            raise
        # (layer, pooling, utterance, dim)
        pooled = torch.stack([self._pooled[layer] for layer in self._layers]).cpu().numpy()
        layers = {name: pooled[:, index] for index, name in enumerate(self._poolings)}
        return Pooled(layers, self._sequences(len(waveforms)) if self._sequence_layers else None)

    def _sequences(self, count: int) -> list[npt.NDArray[np.float16]]:
        out = []
        for row in range(count):
            steps = torch.stack([self._stepped[layer][row] for layer in self._sequence_layers])
            half = steps.half().cpu().numpy()
            if not np.isfinite(half).all() and bool(torch.isfinite(steps).all()):
                raise EncoderError(
                    "hidden states beyond ±65504 do not fit the float16 of sequences; "
                    "leave those layers out with --sequence-layers"
                )
            out.append(half)
        return out


def pick_device(asked: str) -> str:
    """The device for ``--device``: ``auto`` takes CUDA, then Apple's GPU, then the CPU."""
    if asked == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        log.debug("%s", error)
        raise UsageError(
            f"--device {asked}: torch has no such device here; use cpu, or what it has (-v)"
        ) from None
    return asked


def pick_precision(asked: str, device: str) -> str:
    """The precision for ``--precision``: ``auto`` takes bfloat16 where hardware multiplies it."""
    if asked != "auto":
        return asked
    if device.startswith("cuda"):
        native = torch.cuda.get_device_capability(device)[0] >= 8
    elif device == "cpu":
        flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        native = bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
    else:
        native = False
    return "bfloat16" if native else "float32"


def _provenance(device: torch.device, location: str | None) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "device": f"{device} {name or platform.machine()}".strip(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "h5py": h5py.__version__,
        "python": platform.python_version(),
        "location": location,
    }
