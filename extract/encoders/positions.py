"""Positions of Conformer layers, computed for each batch.

Those of transformers keep what they have computed for the next batch, which is wrong in a traced
graph, and if several threads run the encoder.
"""

import math
from typing import Any

import torch
from torch import nn


def positions(config: Any) -> dict[str, nn.Module]:
    """The module ``embed_positions`` of a Conformer encoder, if it has one."""
    kinds = {"relative": Relative, "rotary": Rotary}
    kind = kinds.get(config.position_embeddings_type)
    return {} if kind is None else {"embed_positions": kind(config)}


class Relative(nn.Module):
    """Sines and cosines of all distances between frames: (1, 2 · frame - 1, dim)."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.rates = -math.log(10_000.0) / config.hidden_size

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Positions for hidden states (utterance, frame, dim)."""
        length, dim = hidden.shape[1:]
        distance = torch.arange(length - 1, -length, -1, device=hidden.device).float()
        rates = torch.exp(torch.arange(0, dim, 2, device=hidden.device).float() * self.rates)
        angles = distance[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[None].to(hidden.dtype)


class Rotary(nn.Module):
    """Cosines and sines of rotary positions (Su et al. 2021): (2, frame, 1, 1, dim of a head)."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dim = config.hidden_size // config.num_attention_heads
        self.base = config.rotary_embedding_base

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Positions for hidden states (utterance, frame, dim)."""
        even = torch.arange(0, self.dim, 2, device=hidden.device).float()
        rates = 1.0 / self.base ** (even / self.dim)
        angles = torch.arange(hidden.shape[1], device=hidden.device).float()[:, None] * rates
        angles = torch.cat([angles, angles], dim=1)[:, None, None]
        return torch.stack([angles.cos(), angles.sin()]).to(hidden.dtype)
