"""Pool hidden states over time: to one vector an utterance, or to a few steps a second."""

from collections.abc import Sequence

import torch


def pool(hidden: torch.Tensor, valid: torch.Tensor, poolings: Sequence[str]) -> list[torch.Tensor]:
    """Pool (utterance, frame, dim) over the frames marked in `valid` (utterance, frame).

    Sums run in float32. ``std`` is the population's standard deviation: 0 for a single frame.

    Returns:
        One (utterance, dim) float32 tensor for each of `poolings`.
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
    return [pooled[name] for name in poolings]


def to_steps(hidden: torch.Tensor, steps_per_frame: float) -> torch.Tensor:
    """Average the frames of one utterance (frame, dim) into (step, dim), in float32.

    Frame f belongs to step ⌊f · steps_per_frame⌋, so the last step may be shorter.
    """
    frame = torch.arange(len(hidden), dtype=torch.float64, device=hidden.device)
    step = (frame * steps_per_frame).long()
    counts = torch.bincount(step)
    out = hidden.new_zeros((len(counts), hidden.shape[1]), dtype=torch.float32)
    return out.index_add_(0, step, hidden.float()) / counts[:, None]
