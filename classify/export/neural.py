"""Neural heads as torch modules of a single network."""

from copy import deepcopy

import torch
from torch import nn

from classify.heads.neural.base import NeuralHead
from classify.heads.neural.stacked import BiGRU, reversal


class Neural(nn.Module):
    """A neural head: standardisation, then its network, for pooled layers or sequences."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, head: NeuralHead, output: nn.Module | None = None) -> None:
        """Wrap a trained head; `output` is applied after its network."""
        super().__init__()
        self.along_layers = head.sequential and head.axis == "layer"
        self.layers = head.layers
        self.network = deepcopy(head.network_).cpu()
        self.output = output or nn.Identity()
        if isinstance(recurrent := getattr(self.network, "gru", None), BiGRU):
            self.network.gru = AnyLength(recurrent)
        self.register_buffer("mean", head.mean_)
        self.register_buffer("scale", head.scale_)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(utterance, output).

        Args:
            x: (utterance, layer · dim) of pooled layers, or (utterance, layer, step, dim).
            mask: (utterance, step) which steps of sequences there are.
        """
        if mask is None:
            shape = (1, self.layers) if self.along_layers else (self.layers, 1)
            x = x.reshape(x.shape[0], *shape, -1)
            mask = torch.ones_like(x[:, 0, :, 0], dtype=torch.bool)
        x = (x - self.mean) / self.scale * mask[:, None, :, None]
        return self.output(self.network(x[None], mask[None])[0])


class AnyLength(nn.Module):
    """`BiGRU` by torch's own GRU, which becomes one operator for any number of moments.

    Tracing would unroll its loop for a fixed number of moments.
    """

    def __init__(self, trained: BiGRU) -> None:
        super().__init__()
        self.ahead, self.behind = (_direction(trained, number) for number in range(2))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """x (1, utterance, moment, inputs), mask (1, utterance, moment), as `BiGRU`."""
        (x,), (mask,) = x, mask
        back = reversal(mask)[..., None]
        ahead, _ = self.ahead(x)
        behind, _ = self.behind(x.gather(1, back.expand_as(x)))
        return torch.cat([ahead, behind.gather(1, back.expand_as(behind))], -1)[None]


def _direction(trained: BiGRU, number: int) -> nn.GRU:
    gru = nn.GRU(trained.inputs.shape[2], trained.width, batch_first=True)
    learned = {
        "weight_ih_l0": trained.inputs[0, number].T,
        "bias_ih_l0": trained.inputs_bias[0, number, 0],
        "weight_hh_l0": trained.states[0, number].T,
        "bias_hh_l0": trained.states_bias[0, number, 0],
    }
    gru.load_state_dict(learned)
    return gru
