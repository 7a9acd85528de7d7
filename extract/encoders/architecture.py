"""What engines need to know of an architecture of transformers."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from extract.encoders.convolutions import Convolutions


class Architecture:
    """A family of models that have one layout.

    This base class describes the layout of wav2vec 2.0, which the families here share: strided
    convolutions over the waveform, a projection, and a transformer that begins with a positional
    convolution. A family overrides what is special about it.

    Attributes:
        model_types: ``model_type`` of its configurations.
    """

    model_types: Sequence[str]

    def sizes(self, config: Any) -> tuple[tuple[int, int], ...]:
        """(kernel, stride) in samples of each convolution of the front end."""
        return tuple(zip(config.conv_kernel, config.conv_stride, strict=True))

    def front_end(self, model: Any) -> Convolutions:
        """From samples (utterance, sample) to features (utterance, frame, channel)."""
        return Convolutions(model.feature_extractor)

    def projection(self, model: Any) -> Any:
        """A module from features to frames as wide as the transformer: a tensor, or a tuple that
        begins with it.
        """
        return model.feature_projection

    def transformer(self, model: Any) -> Any:
        """A module that is called with frames (utterance, frame, dim) and ``attention_mask``
        (utterance, frame), and has a ``config``.
        """
        return model.encoder

    def layers(self, model: Any) -> nn.ModuleList:
        """The transformer layers. Each takes hidden states (utterance, frame, dim), and returns
        them, or a tuple that begins with them.
        """
        layers: nn.ModuleList = model.encoder.layers
        return layers

    def leaks(self, model: Any) -> Sequence[nn.Module]:
        """Modules over (utterance, channel, frame) whose input may not be zero where a batch is
        padded, although transformers is given a mask.
        """
        return []
