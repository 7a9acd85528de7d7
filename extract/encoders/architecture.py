"""The parts of a transformers architecture that engines use."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from extract.encoders.convolutions import Convolutions, NativeConvolutions


class Architecture:
    """A family of models with one layout.

    This base class describes the layout of wav2vec 2.0: strided convolutions over the waveform, a
    projection, and a transformer that begins with a positional convolution. Subclasses override
    what differs.

    Attributes:
        model_types: values of ``model_type`` in configurations of the family.
    """

    model_types: Sequence[str]

    def sizes(self, config: Any) -> tuple[tuple[int, int], ...]:
        """(kernel, stride) in samples of each convolution of the front end."""
        return tuple(zip(config.conv_kernel, config.conv_stride, strict=True))

    def front_end(self, model: Any) -> Convolutions:
        """Module from samples (utterance, sample) to features (utterance, frame, channel)."""
        return Convolutions(model.feature_extractor)

    def native_front_end(self, model: Any) -> NativeConvolutions:
        """The same by the convolutions of torch, for OpenVINO in bfloat16."""
        return NativeConvolutions(model.feature_extractor)

    def projection(self, model: Any) -> Any:
        """Module from features to frames (utterance, frame, dim); it returns them, or a tuple that
        begins with them.
        """
        return model.feature_projection

    def transformer(self, model: Any) -> Any:
        """Module with a ``config``, whose arguments are frames (utterance, frame, dim) and
        ``attention_mask`` (utterance, frame).
        """
        return model.encoder

    def layers(self, model: Any) -> nn.ModuleList:
        """Transformer layers. Each takes hidden states (utterance, frame, dim), and returns them,
        or a tuple that begins with them.
        """
        layers: nn.ModuleList = model.encoder.layers
        return layers

    def leaks(self, model: Any) -> Sequence[nn.Module]:
        """Modules over (utterance, channel, frame) whose input is not zero in the padding, although
        transformers has a mask.
        """
        return []
