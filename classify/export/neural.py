"""Neural heads as torch modules for one network, without the stack that they were trained in."""

from copy import deepcopy

import torch
from torch import nn

from classify.heads.neural_head import NeuralHead
from classify.heads.stacked import BiGRU, reversal


class Neural(nn.Module):
    """A neural head: standardisation, then its network, for pooled layers or sequences."""

    def __init__(self, head: NeuralHead, output: nn.Module | None = None) -> None:
        """Take up a trained head; `output` is what follows its network."""
        super().__init__()
        self.along_layers = head.sequential and head.axis == "layer"
        self.layers = head.layers
        self.network = deepcopy(head.network_).cpu()
        self.output = output or nn.Identity()
        if isinstance(recurrent := getattr(self.network, "gru", None), BiGRU):
            self.network.gru = Unrolled(recurrent)
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
            x = x.unflatten(1, (*shape, -1))
            mask = x[:, 0, :, 0] == x[:, 0, :, 0]
        x = (x - self.mean) / self.scale * mask[:, None, :, None]
        return self.output(self.network(x[None], mask[None])[0])


class Unrolled(nn.Module):
    """`BiGRU` by torch's own GRU, which becomes one operator for any number of moments.

    Its loop over the moments would be written down for as many as there were when it was traced.
    """

    def __init__(self, trained: BiGRU) -> None:
        super().__init__()
        inputs = trained.inputs.shape[2]
        self.directions = nn.ModuleList(
            nn.GRU(inputs, trained.width, batch_first=True) for _ in range(2)
        )
        with torch.no_grad():
            for number, gru in enumerate(self.directions):
                gru.weight_ih_l0.copy_(trained.inputs[0, number].T)
                gru.bias_ih_l0.copy_(trained.inputs_bias[0, number, 0])
                gru.weight_hh_l0.copy_(trained.states[0, number].T)
                gru.bias_hh_l0.copy_(trained.states_bias[0, number, 0])

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """x (1, utterance, moment, inputs), mask (1, utterance, moment), as `BiGRU`."""
        (x,), (mask,) = x, mask
        back = reversal(mask)[..., None]
        ahead, _ = self.directions[0](x)
        behind, _ = self.directions[1](x.gather(1, back.expand_as(x)))
        return torch.cat([ahead, behind.gather(1, back.expand_as(behind))], -1)[None]
