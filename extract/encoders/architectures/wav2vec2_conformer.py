"""wav2vec 2.0 with Conformer layers (Wang et al. 2020, fairseq S2T; Gulati et al. 2020)."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from extract.encoders.architecture import Architecture, Zeros, with_modules
from extract.encoders.positions import positions


class Wav2Vec2Conformer(Architecture):
    """Has relative or rotary positions, and a convolution over time in each layer."""

    model_types = ("wav2vec2-conformer",)
    examples = (
        "facebook/wav2vec2-conformer-rel-pos-large",
        "facebook/wav2vec2-conformer-rope-large",
    )

    exactness = "first norm, layer convolutions, attention, pooling"

    def transformer(self, model: Any) -> Any:
        """The encoder, with positions that are computed for each batch."""
        unused = {"pos_conv_embed": Zeros()}
        return with_modules(model.encoder, unused | positions(model.config))

    def norm_is_last(self, config: Any) -> bool:
        """It is always after the layers."""
        return True

    def leaks(self, model: Any) -> Sequence[nn.Module]:
        """The convolution of each layer; transformers gives it no mask."""
        return [layer.conv_module.depthwise_conv for layer in model.encoder.layers]


ARCHITECTURE = Wav2Vec2Conformer()
