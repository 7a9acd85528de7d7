"""Hide padding from modules that would mix it into an utterance's frames.

Padding leaks out of a plain transformers encoder in three places, even with an attention mask:
positional convolutions whose input is not zero there (`Architecture.leaks`), the feature
extractor's GroupNorm (`extract.encoders.convolutions`), and pooling over frames of padding
(`extract.encoders.pooling`).
"""

from collections.abc import Callable, Iterable

import torch
from torch import nn


def hide_padding(modules: Iterable[nn.Module], valid: Callable[[], torch.Tensor | None]) -> None:
    """Let `modules` see zeros in place of padding; their inputs are (utterance, channel, frame).

    `valid` returns the mask (utterance, frame) of the present batch; None: there is no padding.
    """

    def hide(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        mask = valid()
        (hidden,) = inputs
        return None if mask is None else (hidden * mask[:, None],)

    for module in modules:
        module.register_forward_pre_hook(hide)
