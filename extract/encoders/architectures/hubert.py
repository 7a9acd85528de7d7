"""HuBERT (Hsu et al. 2021)."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from extract.encoders.architecture import Architecture


class Hubert(Architecture):
    """May have a batch norm before the positional convolution; it makes padding non-zero."""

    model_types = ("hubert",)
    examples = ("facebook/hubert-base-ls960", "ntu-spml/distilhubert")
    exactness = "first norm, position convolution, attention, pooling"

    def leaks(self, model: Any) -> Sequence[nn.Module]:
        """The positional convolution after a batch norm."""
        position = model.encoder.pos_conv_embed
        return [position.conv] if position.batch_norm is not None else []


ARCHITECTURE = Hubert()
