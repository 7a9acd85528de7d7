"""Pool hidden states over time: to one vector per utterance, or to some steps per second."""

from collections.abc import Sequence

import torch


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
