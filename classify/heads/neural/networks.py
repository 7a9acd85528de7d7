"""Networks of the neural heads, stacked along a replica axis.

Axes of x are (replica, utterance, layer, moment, dim), of the mask (replica, utterance, moment),
of logits (replica, utterance, output). Hidden layers are mixed first. Dropout is drawn from `noise`
and left out where there is none.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from classify.heads.neural.noise import Noise
from classify.heads.neural.stacked import BiGRU, Dropout, LayerNorm, Linear, Mix, masked_mean

HEADS = 4  # of self-attention
EPSILON = 1e-5  # variance below which a deviation may be rounding


class Network(nn.Module):
    """Base class of the networks: a softmax mix of the hidden layers."""

    def __init__(self, replicas: int, layers: int) -> None:
        super().__init__()
        self.mix = Mix(replicas, layers)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor, noise: Noise | None = None
    ) -> torch.Tensor:
        raise NotImplementedError

    def attention(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor | None:
        """(replica, utterance, moment) how much each counts; None where all count the same."""
        return None


class Perceptron(Network):
    """One hidden layer on the mean over moments."""

    def __init__(
        self, replicas: int, layers: int, dim: int, hidden: int, outputs: int, dropout: float
    ) -> None:
        super().__init__(replicas, layers)
        self.hidden = Linear(replicas, dim, hidden)
        self.dropout = Dropout(dropout)
        self.out = Linear(replicas, hidden, outputs)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor, noise: Noise | None = None
    ) -> torch.Tensor:
        x = self.mix(x)
        x = x[:, :, 0] if x.shape[2] == 1 else masked_mean(x, mask)
        return self.out(self.dropout(self.hidden(x).relu(), noise))


class Sequential(Network):
    """Base class of networks that project every moment, pool over the moments and end in a linear
    layer."""

    def __init__(
        self, replicas: int, layers: int, dim: int, hidden: int, outputs: int, dropout: float
    ) -> None:
        super().__init__(replicas, layers)
        self.project = Linear(replicas, dim, hidden)
        self.dropout = Dropout(dropout)
        self.out = Linear(replicas, self.width(hidden), outputs)

    @staticmethod
    def width(hidden: int) -> int:
        """Width of the output of `pooled` for one utterance."""
        return hidden

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor, noise: Noise | None = None
    ) -> torch.Tensor:
        pooled = self.pooled(self._projected(x, noise), mask, noise)
        return self.out(self.dropout(pooled, noise))

    def _projected(self, x: torch.Tensor, noise: Noise | None = None) -> torch.Tensor:
        return self.dropout(self.project(self.mix(x)).relu(), noise)

    def pooled(self, x: torch.Tensor, mask: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        """(replica, utterance, width) of x (replica, utterance, moment, hidden)."""
        raise NotImplementedError


class Recurrent(Sequential):
    """A bidirectional GRU, its outputs averaged over the moments."""

    def __init__(
        self, replicas: int, layers: int, dim: int, hidden: int, outputs: int, dropout: float
    ) -> None:
        super().__init__(replicas, layers, dim, hidden, outputs, dropout)
        self.gru = BiGRU(replicas, hidden, hidden // 2)

    @staticmethod
    def width(hidden: int) -> int:
        return hidden // 2 * 2

    def pooled(self, x: torch.Tensor, mask: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        return masked_mean(self.gru(x, mask), mask)


class Attentive(Sequential):
    """Attentive statistics pooling: a learned mean and deviation over the moments.

    Okabe, Koshinaka and Shinoda 2018 (arXiv 1803.10963), equations 3 to 6.
    """

    def __init__(
        self, replicas: int, layers: int, dim: int, hidden: int, outputs: int, dropout: float
    ) -> None:
        super().__init__(replicas, layers, dim, hidden, outputs, dropout)
        self.inner = Linear(replicas, hidden, hidden)
        self.outer = Linear(replicas, hidden, 1, bias=False)  # which a softmax would not see

    @staticmethod
    def width(hidden: int) -> int:
        return 2 * hidden

    def pooled(self, x: torch.Tensor, mask: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        weights = self._weights(x, mask)[..., None]
        mean = (weights * x).sum(2)
        variance = (weights * x.square()).sum(2) - mean.square()
        return torch.cat([mean, variance.clamp(min=EPSILON).sqrt()], -1)

    def _projected(self, x: torch.Tensor, noise: Noise | None = None) -> torch.Tensor:
        """Linear: of numbers cut off at 0, deviations say less."""
        return self.dropout(self.project(self.mix(x)), noise)

    def attention(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self._weights(self._projected(x), mask)

    def _weights(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return _softmax(self.outer(self.inner(x).tanh())[..., 0], mask)


class Transformer(Sequential):
    """One block of self-attention over the moments and a class token, whose state decides.

    Vaswani et al. 2017 (arXiv 1706.03762) with normalisation before every part (Xiong et al. 2020,
    arXiv 2002.04745), sinusoidal positions, and the class token of Devlin et al. 2019.
    """

    def __init__(
        self, replicas: int, layers: int, dim: int, hidden: int, outputs: int, dropout: float
    ) -> None:
        super().__init__(replicas, layers, dim, hidden, outputs, dropout)
        if hidden % HEADS:
            raise ValueError(f"hidden={hidden}: expected a multiple of {HEADS}")
        self.token = nn.Parameter(torch.zeros(replicas, 1, 1, hidden))
        self.block = Block(replicas, hidden, dropout)
        self.norm = LayerNorm(replicas, hidden)

    def pooled(self, x: torch.Tensor, mask: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        x, mask = self._with_token(x, mask)
        return self.norm(self.block(x, mask, noise)[:, :, :1])[:, :, 0]

    def attention(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Attention of the class token to the moments, without its attention to itself."""
        x, mask = self._with_token(self._projected(x), mask)
        weights = self.block.token_weights(x, mask)[..., 1:]
        return weights / weights.sum(-1, keepdim=True)

    def _with_token(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = x + _positions(x.shape[2], x.shape[3], x.device)
        token = self.token.expand(-1, x.shape[1], -1, -1)
        return torch.cat([token, x], 2), F.pad(mask, (1, 0), value=True)


class Block(nn.Module):
    """Self-attention and a perceptron, with residual connections."""

    def __init__(self, replicas: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([LayerNorm(replicas, hidden) for _ in range(2)])
        self.queries_keys_values = Linear(replicas, hidden, 3 * hidden)
        self.joined = Linear(replicas, hidden, hidden)
        self.wide = Linear(replicas, hidden, 2 * hidden)
        self.narrow = Linear(replicas, 2 * hidden, hidden)
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        queries, keys, values = self._heads(x)
        found = F.scaled_dot_product_attention(queries, keys, values, mask[:, :, None, None])
        x = x + self.dropout(self.joined(found.transpose(2, 3).flatten(3)), noise)
        inner = F.gelu(self.wide(self.norms[1](x)))
        return x + self.dropout(self.narrow(inner), noise)

    def token_weights(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(replica, utterance, moment) what the first moment attends to, mean of the heads."""
        queries, keys, _ = self._heads(x)
        scores = (queries[..., :1, :] @ keys.mT)[..., 0, :] / math.sqrt(keys.shape[-1])
        return _softmax(scores, mask[:, :, None]).mean(2)

    def _heads(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values, each (replica, utterance, head, moment, dim)."""
        found = self.queries_keys_values(self.norms[0](x))
        return found.unflatten(-1, (3, HEADS, -1)).permute(3, 0, 1, 4, 2, 5).unbind(0)


def _softmax(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Softmax over the valid moments; 0 for an utterance without any."""
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1) * mask


def _positions(moments: int, dim: int, device: torch.device) -> torch.Tensor:
    """(moment, dim) sines and cosines of Vaswani et al. 2017, section 3.5."""
    rates = torch.exp(torch.arange(0, dim, 2, device=device) * (-math.log(10_000) / dim))
    angles = torch.arange(moments, device=device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :dim]
