"""SEW and SEW-D: squeezed and efficient wav2vec (Wu et al. 2022).

The transformer runs on frames of two features, and what it gives is upsampled at the end. Hidden
states are those of the transformer, so they have half of the frames.
"""

import copy
from typing import Any

import torch
from torch import nn

from extract.encoders.architecture import Architecture, Zeros, with_modules


class Sew(Architecture):
    """Has a projection of separate modules, and squeezes features before the first layer."""

    model_types = ("sew", "sew-d")
    examples = ("asapp/sew-tiny-100k", "asapp/sew-d-mid-100k")
    front = "convolutions, then pairs of frames"
    exactness = "first norm, halves of frames, attention, pooling"
    tunable = False  # its hidden states are not those that its head was made for

    def squeeze(self, config: Any) -> int:
        """Number of features of a frame."""
        return int(config.squeeze_factor)

    def projection(self, model: Any) -> Any:
        """The norm, and a projection if features and hidden states differ in width."""
        own = getattr(model, "feature_projection", nn.Identity())
        return nn.Sequential(model.layer_norm, own)

    def transformer(self, model: Any) -> Any:
        """The encoder without upsampling."""
        return Squeezed(model.encoder)

    def layers(self, model: Any) -> nn.ModuleList:
        """SEW-D has them in a transformer of its own."""
        encoder = model.encoder
        found: nn.ModuleList = (
            encoder.layers if hasattr(encoder, "layers") else encoder.encoder.layer
        )
        return found


class Squeezed(nn.Module):
    """The encoder of a SEW, whose mask is that of whole frames.

    An utterance may have an odd number of features. Then the last feature is no frame, but the
    positional convolution takes it. In a padded batch, transformers would make it a frame.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.position, self.pool = encoder.pos_conv_embed, encoder.pool
        self.factor = encoder.config.squeeze_factor
        replaced = {"pos_conv_embed": Zeros(), "pool": nn.Identity(), "upsample": nn.Identity()}
        self.rest = with_modules(encoder, replaced)
        self.rest.config = self.config = copy.copy(encoder.config)
        self.config.squeeze_factor = 1

    def forward(self, features: torch.Tensor, attention_mask: torch.Tensor | None = None) -> Any:
        """Run the encoder on projected features (utterance, feature, dim)."""
        if attention_mask is not None:
            features = features * attention_mask[:, :, None]
            attention_mask = attention_mask[:, self.factor - 1 :: self.factor]
        features = features.transpose(1, 2)
        pooled = self.pool(features)
        frames = pooled + self.position(features)[..., : pooled.shape[2]]
        return self.rest(frames.transpose(1, 2), attention_mask=attention_mask)


ARCHITECTURE = Sew()
