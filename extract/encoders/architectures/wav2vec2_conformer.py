"""wav2vec 2.0 with Conformer layers (Wang et al. 2020, fairseq S2T; Gulati et al. 2020)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from extract.encoders.architecture import Architecture, Zeros, with_modules


class Wav2Vec2Conformer(Architecture):
    """Has relative or rotary positions, and a convolution over time in each layer."""

    model_types = ("wav2vec2-conformer",)
    examples = (
        "facebook/wav2vec2-conformer-rel-pos-large",
        "facebook/wav2vec2-conformer-rope-large",
    )

    def transformer(self, model: Any) -> Any:
        """The encoder, with positions that are computed for each batch."""
        replaced: dict[str, nn.Module] = {"pos_conv_embed": Zeros()}  # which it never calls
        kind = {"relative": Relative, "rotary": Rotary}.get(model.config.position_embeddings_type)
        if kind is not None:
            replaced["embed_positions"] = kind(model.config)
        return with_modules(model.encoder, replaced)

    def norm_is_last(self, config: Any) -> bool:
        """It is always after the layers."""
        return True

    def leaks(self, model: Any) -> Sequence[nn.Module]:
        """The convolution of each layer; transformers gives it no mask."""
        return [layer.conv_module.depthwise_conv for layer in model.encoder.layers]


class Relative(nn.Module):
    """Sines and cosines of all distances between frames: (1, 2 · frame - 1, dim).

    Those of transformers are a table of 5000 frames that is replaced when it is too short; a traced
    graph would keep the short one.
    """

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
    """Cosines and sines of rotary positions (Su et al. 2021): (2, frame, 1, 1, dim of a head).

    Those of transformers are kept from batch to batch, which threads and a traced graph do not
    survive.
    """

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


ARCHITECTURE = Wav2Vec2Conformer()
