"""Make a transformer blind to padding, so that a batch gives what each file alone gives.

Two places let padding leak out of a plain transformers encoder, even with an attention mask: every
convolution of the positional embedding after the first (data2vec has five, with layer norms
between), and the batch norm before it in some HuBERTs. They see frames that are zero in the first
layer's input, but no longer in the next one's. (A third place is the feature extractor's GroupNorm:
`extract.convolutions`; a fourth is pooling over frames that are not there: `extract.pooling`.)
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def blind_to_padding(encoder: Any, valid: Callable[[], torch.Tensor | None]) -> None:
    """Change the encoder of a Wav2Vec2-like transformers model in place.

    `valid` tells which frames (utterance, frame) of the present batch are there; None: all.
    """

    def hide(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        mask = valid()
        (hidden,) = inputs  # (utterance, channel, frame)
        return None if mask is None else (hidden * mask[:, None],)

    for module in encoder.pos_conv_embed.modules():
        if isinstance(module, nn.Conv1d):
            module.register_forward_pre_hook(hide)
