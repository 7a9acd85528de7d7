"""The computation of all engines: from padded waveforms to pooled layers."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from data.cache.recipe import Recipe
from extract.encoders.encoder import Encoder
from extract.encoders.framing import frames, step_of_frames, valid_frames
from extract.encoders.hooks import capture, hide_padding


@dataclass(frozen=True)
class Batch:
    """Padded waveforms, and properties of each that are known before it is encoded."""

    samples: torch.Tensor  # (utterance, sample) float32, padded with zeros
    lengths: tuple[int, ...]  # (utterance,) number of samples
    valid: torch.Tensor  # (utterance, feature) bool
    steps: torch.Tensor | None  # (utterance, step, frame) float32, with sequences


class PooledEncoder(nn.Module):
    """An encoder whose results for an utterance do not depend on the rest of the batch.

    Hidden states are pooled at once, so that only (layer, utterance, dim) is kept of a batch.
    Layers above the highest requested one are not computed.
    """

    def __init__(self, encoder: Encoder, recipe: Recipe) -> None:
        super().__init__()
        kind, model = encoder.architecture, encoder.model
        self.front_end = kind.front_end(model)
        self.project = kind.projection(model)
        self.transformer = kind.transformer(model)
        self.layers, self.poolings = recipe["layers"], recipe["pooling"]
        self.sequence_layers = recipe["sequence_layers"]
        self.identity = encoder.identity
        self.steps_per_frame = (recipe["sequence_rate"] or 0.0) / self.identity.frame_rate
        layers = kind.layers(model)
        del layers[max([*self.layers, *self.sequence_layers, 1]) :]
        self._by_utterance = kind.by_utterance
        self._upper = partial(kind.upper, model)  # of the layers that are left
        self._norm_is_last = kind.norm_is_last(model.config)
        self.requires_grad_(False)
        self.keeps: int | None = None  # hidden layer whose states `follow` of others takes
        self._running = threading.local()  # the batch that each thread encodes
        hide_padding(kind.leaks(model), lambda: self._running.mask)
        capture(layers, self._keep)

    def forward(
        self,
        features: torch.Tensor,
        valid: torch.Tensor,
        steps: torch.Tensor | None = None,
        padded: bool = True,
    ) -> tuple[torch.Tensor, ...]:
        """Encode and pool features.

        Args:
            features: (utterance, feature, channel).
            valid: see `Batch`.
            steps: see `Batch`; None: no sequences.
            padded: whether there is padding; attention is faster without a mask.

        Returns:
            Pooled layers (layer, pooling, utterance, dim), and with `steps` also sequences (layer,
            utterance, step, dim), both float32.
        """
        running = self._running
        running.valid, running.steps = self.framed(valid), steps
        running.mask = valid if padded else None
        running.pooled, running.stepped, running.kept = {}, {}, None
        projected = self.project(features)
        hidden = projected[0] if isinstance(projected, tuple) else projected
        self.transformer(hidden, attention_mask=running.mask)
        return self._stacked()

    def follow(self, other: "PooledEncoder", first: int) -> tuple[torch.Tensor, ...]:
        """Encode the batch that `other` has just encoded in this thread; see `forward`.

        Both have the same parameters up to hidden layer `first`, whose states `other` has kept.
        """
        running, done = self._running, other._running
        running.valid, running.steps, running.mask = done.valid, done.steps, done.mask
        running.kept = None
        running.pooled, running.stepped = (
            {layer: value for layer, value in found.items() if layer <= first}
            for found in (done.pooled, done.stepped)
        )
        upper = self._upper(first)
        if len(upper.layers):
            upper(done.kept.clone(), attention_mask=running.mask)  # it may write into its input
        return self._stacked()

    def shared_with(self, other: "PooledEncoder") -> int | None:
        """The highest hidden layer up to which both have the same parameters; -1: only the features
        are the same; None: nothing is."""
        if not _equal(self.front_end, other.front_end):
            return None
        ours, theirs = self.transformer, other.transformer
        apart = ("layers.", *(["layer_norm."] if self._norm_is_last else []))
        if not _equal(self.project, other.project) or not _equal(ours, theirs, apart):
            return -1
        each = zip(ours.layers, theirs.layers, strict=True)
        return next((n for n, pair in enumerate(each) if not _equal(*pair)), len(ours.layers))

    def _stacked(self) -> tuple[torch.Tensor, ...]:
        running = self._running
        pooled = torch.stack([running.pooled[layer] for layer in self.layers])
        if running.steps is None:
            return (pooled,)
        return pooled, torch.stack([running.stepped[layer] for layer in self.sequence_layers])

    def framed(self, valid: torch.Tensor) -> torch.Tensor:
        """Mask of frames (utterance, frame), from a mask of features (utterance, feature)."""
        squeeze = self.identity.squeeze
        return valid if squeeze == 1 else valid[:, squeeze - 1 :: squeeze]

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move to a device, and convert to `dtype` what the front end does not keep in float32."""
        self.to(device)
        self.front_end.narrow(dtype)
        self.project.to(dtype)
        self.transformer.to(dtype)

    def features(self, batch: Batch) -> torch.Tensor:
        """Compute the features of a batch; see `FrontEnd.features`."""
        found = self.front_end.features(batch.samples, batch.lengths)
        return found.to(next(self.transformer.parameters()).dtype)

    def batch(self, waveforms: Sequence[npt.NDArray[np.float32]], device: torch.device) -> Batch:
        """Make a batch of normalised (sample,) waveforms at 16 kHz on a device."""
        lengths = [len(waveform) for waveform in waveforms]
        pinned = device.type == "cuda"
        samples = torch.zeros(len(waveforms), max(lengths), pin_memory=pinned)
        for row, waveform in zip(samples, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        features = [frames(length, self.identity.sizes) for length in lengths]
        counts = [self.identity.frames(length) for length in lengths]
        steps = step_of_frames(counts, self.steps_per_frame) if self.sequence_layers else None
        return Batch(
            samples.to(device, non_blocking=pinned),
            tuple(lengths),
            valid=torch.from_numpy(valid_frames(features)).to(device),
            steps=None if steps is None else torch.from_numpy(steps).to(device),
        )

    def _keep(self, layer: int, hidden: torch.Tensor) -> None:
        """Pool the hidden states of a layer."""
        running = self._running
        if layer == self.keeps:
            running.kept = hidden.clone()
        hidden = self._by_utterance(hidden, running.valid)
        if layer in self.layers:
            running.pooled[layer] = pool(hidden, running.valid, self.poolings)
        if layer in self.sequence_layers:
            running.stepped[layer] = average(hidden, running.steps)


def pool(hidden: torch.Tensor, valid: torch.Tensor, poolings: Sequence[str]) -> torch.Tensor:
    """Pool (utterance, frame, dim) over the frames marked in `valid` (utterance, frame).

    Sums are computed in float32. ``std`` is the population standard deviation.

    Returns:
        (pooling, utterance, dim) float32.
    """
    hidden = hidden.float()
    mask = valid[:, :, None]
    count = valid.sum(dim=1, keepdim=True)
    pooled = {}
    if "mean" in poolings or "std" in poolings:
        pooled["mean"] = (hidden * mask).sum(dim=1) / count
    if "std" in poolings:
        centred = (hidden - pooled["mean"][:, None]) * mask
        pooled["std"] = (centred.square().sum(dim=1) / count).sqrt()
    if "max" in poolings:
        pooled["max"] = hidden.masked_fill(~mask, -torch.inf).amax(dim=1)
    return torch.stack([pooled[name] for name in poolings])


def average(hidden: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Average (utterance, frame, dim) to (utterance, step, dim) in float32; a step without frames
    is zero.
    """
    return steps @ hidden.float() / steps.sum(dim=2, keepdim=True).clamp(min=1)


def _equal(one: nn.Module, other: nn.Module, apart: tuple[str, ...] = ()) -> bool:
    """Whether all parameters and buffers are equal, apart from names that begin as given."""
    ours, theirs = one.state_dict(), other.state_dict()
    names = [name for name in ours if not name.startswith(apart)] if apart else list(ours)
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in names
    )
