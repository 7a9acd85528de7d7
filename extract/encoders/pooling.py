"""Pool hidden states over time: to one vector an utterance, or to a few steps a second."""

from collections.abc import Sequence

import torch


def pool(hidden: torch.Tensor, valid: torch.Tensor, poolings: Sequence[str]) -> torch.Tensor:
    """Pool (utterance, frame, dim) over the frames marked in `valid` (utterance, frame).

    Sums run in float32. ``std`` is the population's standard deviation: 0 for a single frame.

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


def step_of_frames(lengths: torch.Tensor, steps_per_frame: float) -> torch.Tensor:
    """Which frames belong to which step: (utterance, step, frame), 1 or 0 in float32.

    Frame f belongs to step ⌊f · steps_per_frame⌋, so the last step of an utterance may be shorter.
    Steps after its last hold no frame.

    Args:
        lengths: (utterance,) frames.
        steps_per_frame: at most 1.
    """
    step = steps_of(int(lengths.max()), steps_per_frame)
    frame = torch.arange(len(step))
    member = torch.arange(int(step.max()) + 1)[:, None] == step
    return (member & (frame < lengths[:, None, None])).float()


def steps_of(frames: int, steps_per_frame: float) -> torch.Tensor:
    """(frame,) the step ⌊f · steps_per_frame⌋ of each of so many frames f."""
    return (torch.arange(frames).double() * steps_per_frame).long()


def average(hidden: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Average (utterance, frame, dim) into (utterance, step, dim) in float32; zero where a step
    holds no frame.
    """
    return steps @ hidden.float() / steps.sum(dim=2, keepdim=True).clamp(min=1)
