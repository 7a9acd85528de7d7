"""The neural heads' networks: standardised steps and their mask in, logits out."""

import torch
from torch import nn


class Perceptron(nn.Module):
    """One hidden layer on a learned mix of the steps.

    The mix is a softmax over one weight a step: with hidden layers as steps, the weighted sum of
    Pepino et al. 2021 (arXiv 2104.03502) and of SUPERB (arXiv 2105.01051).
    """

    def __init__(self, steps: int, dim: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(steps))
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (utterance, class) of `x` (utterance, step, dim); every step counts."""
        weights = self.mix.softmax(0).expand(len(x), 1, -1)
        return self.layers(torch.bmm(weights, x)[:, 0])


class Recurrent(nn.Module):
    """A bidirectional GRU over the steps, its outputs averaged over the valid ones."""

    def __init__(self, dim: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.gru = nn.GRU(hidden, hidden // 2, batch_first=True, bidirectional=True)
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, classes))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (utterance, class) of `x` (utterance, step, dim) with `mask` (utterance, step).

        Packing keeps padding out of the backward direction, which would otherwise begin in it.
        """
        lengths = mask.sum(1).clamp(min=1)  # an utterance without any step is one step of zeros
        packed = nn.utils.rnn.pack_padded_sequence(
            self.project(x), lengths, batch_first=True, enforce_sorted=False
        )
        outputs, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        return self.classify(outputs.sum(1) / lengths[:, None])  # padded outputs are zero
