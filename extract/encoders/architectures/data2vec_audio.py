"""data2vec for audio (Baevski et al. 2022)."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from extract.encoders.architecture import Architecture


class Data2VecAudio(Architecture):
    """Has five positional convolutions with layer norms between them."""

    model_types = ("data2vec-audio",)
    examples = ("facebook/data2vec-audio-base",)
    exactness = "first norm, position convolutions, attention, pooling"

    def leaks(self, model: Any) -> Sequence[nn.Module]:
        """The positional convolutions after the first."""
        return [layer.conv for layer in list(model.encoder.pos_conv_embed.layers)[1:]]


ARCHITECTURE = Data2VecAudio()
