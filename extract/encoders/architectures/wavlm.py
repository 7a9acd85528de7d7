"""WavLM (Chen et al. 2022).

The first layer computes the relative position bias of all layers, so `PooledEncoder` always runs
the first layer.
"""

from typing import Any

from extract.encoders.architecture import Architecture, with_modules


class WavLM(Architecture):
    """Has layers that return a tuple of hidden states and position bias."""

    model_types = ("wavlm",)
    examples = ("microsoft/wavlm-base-plus", "microsoft/wavlm-large")

    def upper_layers(self, model: Any, first: int) -> list[Any]:
        """The lowest of them computes the position bias in place of the first layer."""
        lowest, *others = super().upper_layers(model, first)
        bias = model.encoder.layers[0].attention.rel_attn_embed
        attention = with_modules(lowest.attention, {"rel_attn_embed": bias})
        return [with_modules(lowest, {"attention": attention}), *others]


ARCHITECTURE = WavLM()
