"""Set padding to zero before modules that would mix it into an utterance's frames.

In a transformers encoder, padding changes embeddings in three places, even with an attention mask:
positional convolutions whose input is not zero in the padding and convolutions of Conformer layers
(`Architecture.leaks`), the GroupNorm of the feature extractor (`extract.encoders.convolutions`),
and pooling over frames of padding (`extract.encoders.pooling`).
"""

from collections.abc import Callable, Iterable

import torch
from torch import nn


def hide_padding(modules: Iterable[nn.Module], valid: Callable[[], torch.Tensor | None]) -> None:
    """Set padding to zero in the inputs (utterance, channel, frame) of `modules`.

    `valid` returns the mask (utterance, frame) of the current batch; None: there is no padding.
    """

    def hide(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        mask = valid()
        (hidden,) = inputs
        return None if mask is None else (hidden * mask[:, None],)

    for module in modules:
        module.register_forward_pre_hook(hide)
