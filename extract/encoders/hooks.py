"""Hooks on the modules of an encoder: take its hidden states, and keep padding out of them.

In a transformers encoder, padding changes embeddings in three places, even with an attention mask:
positional convolutions whose input is not zero in the padding and convolutions of Conformer layers
(`Architecture.leaks`), the GroupNorm of the feature extractor (`extract.encoders.convolutions`),
and pooling over frames of padding (`extract.encoders.pooled`).
"""

from collections.abc import Callable, Iterable
from typing import Any

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


def capture(layers: nn.ModuleList, keep: Callable[[int, torch.Tensor], None]) -> None:
    """Call `keep` with the number and the hidden states of each layer, when it is computed.

    Number 0 is the input of the first layer, and k the output of the k-th. Inputs and outputs of
    layers are the same in all versions of transformers.
    """

    def before(module: nn.Module, args: tuple, kwargs: dict) -> None:
        keep(0, args[0] if args else kwargs["hidden_states"])

    layers[0].register_forward_pre_hook(before, with_kwargs=True)
    for number, layer in enumerate(layers, start=1):

        def after(module: nn.Module, _: tuple, out: Any, number: int = number) -> None:
            keep(number, out[0] if isinstance(out, tuple) else out)

        layer.register_forward_hook(after)
