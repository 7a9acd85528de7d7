"""Make an encoder blind to padding, so that a batch gives what each file alone gives.

Three places let padding leak into a padded batch of a plain transformers model, even with an
attention mask:

* the GroupNorm over time after the first convolution of the *group* feature extractors: its
  statistics run over padded frames too;
* every convolution of the positional embedding after the first (data2vec has five, with layer
  norms between), and the batch norm before it in some HuBERTs: they see frames which are zero in
  the first layer's input, but no longer in the next one's;
* pooling over frames that are not there.

`Padding` is what the blinded modules share: how long each row of the current batch is.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

Sizes = Sequence[tuple[int, int]]  # (kernel, stride) of each convolution


def frames(samples: torch.Tensor, convolutions: Sizes) -> torch.Tensor:
    """How many frames the convolutions make of `samples`, elementwise."""
    for kernel, stride in convolutions:
        samples = torch.div(samples - kernel, stride, rounding_mode="floor") + 1
    return samples


class Padding:
    """Lengths of the rows of the batch that is being encoded."""

    def __init__(self, convolutions: Sizes) -> None:
        self.convolutions = convolutions
        self.samples = torch.zeros(0, dtype=torch.long)  # (utterance,)

    def valid(self, count: int) -> torch.Tensor:
        """(utterance, frame) True for those of `count` frames that an utterance really has."""
        lengths = frames(self.samples, self.convolutions)
        return torch.arange(count, device=lengths.device) < lengths[:, None]


class MaskedGroupNorm(nn.Module):
    """GroupNorm with one channel a group, its statistics over each row's own frames."""

    def __init__(self, norm: nn.GroupNorm, padding: Padding) -> None:
        super().__init__()
        if norm.num_groups != norm.num_channels:
            raise ValueError(f"expected one channel a group, got {norm}")
        self.norm = norm
        self.padding = padding

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(utterance, channel, frame) → the same shape."""
        first = self.padding.convolutions[:1]
        lengths = frames(self.padding.samples, first)
        if bool((lengths == hidden.shape[2]).all()):
            return self.norm(hidden)
        valid = (torch.arange(hidden.shape[2], device=hidden.device) < lengths[:, None])[:, None]
        count = lengths[:, None, None]
        values = hidden.float()
        mean = (values * valid).sum(dim=2, keepdim=True) / count
        centred = (values - mean) * valid
        variance = centred.square().sum(dim=2, keepdim=True) / count
        normed = centred * torch.rsqrt(variance + self.norm.eps)
        weight, bias = self.norm.weight[:, None], self.norm.bias[:, None]
        return (normed * weight + bias).to(hidden.dtype)


def blind_to_padding(model: Any, padding: Padding) -> None:
    """Change a Wav2Vec2-like transformers model in place."""
    first = model.feature_extractor.conv_layers[0]
    if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
        first.layer_norm = MaskedGroupNorm(first.layer_norm, padding)

    def hide(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        (hidden,) = inputs  # (utterance, channel, frame)
        return (hidden * padding.valid(hidden.shape[2])[:, None],)

    for module in model.encoder.pos_conv_embed.modules():
        if isinstance(module, nn.Conv1d):
            module.register_forward_pre_hook(hide)
