"""The head of a fine-tuned encoder: pooling over time and a linear layer."""

from collections.abc import Sequence

import torch
from torch import nn

SMALLEST = 1e-5  # variance below which the gradient of a deviation would explode


class Head(nn.Module):
    """Maps hidden states to one output per class or target.

    Args:
        pooling: ``mean``; ``statistics``, mean and standard deviation; ``attentive``, both weighted
            by attention (Okabe et al. 2018, Attentive Statistics Pooling for Deep Speaker
            Embedding); ``mix``, the mean of a learned weighted sum of the layers (Yang et al. 2021,
            SUPERB).
        dim: width of the hidden states.
        states: number of hidden states that `forward` receives.
        outputs: number of classes or targets.
    """

    def __init__(self, pooling: str, dim: int, states: int, outputs: int) -> None:
        super().__init__()
        self.pooling = pooling
        if pooling == "mix":
            self.weights = nn.Parameter(torch.zeros(states))
        if pooling == "attentive":
            self.attention = nn.Sequential(
                nn.Linear(dim, max(8, dim // 8)), nn.Tanh(), nn.Linear(max(8, dim // 8), dim)
            )
        self.linear = nn.Linear(dim if pooling in ("mean", "mix") else 2 * dim, outputs)

    def forward(self, states: Sequence[torch.Tensor], valid: torch.Tensor) -> torch.Tensor:
        """Outputs (utterance, output) of hidden states (utterance, frame, dim) from the lowest
        trained layer to the output of the transformer, of the frames marked in `valid` (utterance,
        frame)."""
        if self.pooling == "mix":
            shares = self.weights.softmax(0)
            hidden = torch.stack([*states], 3) @ shares
        else:
            hidden = states[-1]
        hidden = hidden.float()
        weights = valid[:, :, None] / valid.sum(1)[:, None, None]
        if self.pooling == "attentive":
            scores = self.attention(hidden).masked_fill(~valid[:, :, None], -torch.inf)
            weights = scores.softmax(1)
        hidden = hidden.masked_fill(~valid[:, :, None], 0.0)
        mean = (hidden * weights).sum(1)
        if self.pooling in ("mean", "mix"):
            return self.linear(mean)
        variance = ((hidden - mean[:, None]).square() * weights).sum(1)
        return self.linear(torch.cat([mean, variance.clamp(min=SMALLEST).sqrt()], 1))
