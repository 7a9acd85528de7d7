"""A trained head and its encoder as one torch module, from waveforms to logits."""

import torch
from torch import nn
from torch.nn.utils import parametrize

from classify.export.frontend import Frontend
from classify.export.heads import module_of
from classify.models.trained import TrainedHead
from extract.audio import MAX_SECONDS
from extract.encoders.encoder import Encoder
from extract.encoders.framing import steps_of
from extract.encoders.pooled import PooledEncoder


class Graph(nn.Module):
    """The computation of `classify.inference.predictor` on 16 kHz waveforms, as one module.

    Layers of the encoder above the highest one that the head uses are left out.
    """

    step: torch.Tensor

    def __init__(self, model: TrainedHead, encoder: Encoder) -> None:
        super().__init__()
        features = model.features
        layers = list(features.layers)
        kept = {
            "layers": layers,
            "pooling": list(features.poolings) or ["mean"],
            "sequence_layers": layers if features.sequences else [],
        }
        self.features = features
        self.dim = features.width(encoder.model.config.hidden_size)
        self.temperature = model.temperature if model.classes else 1.0
        self.frontend = Frontend(encoder.model.feature_extractor, encoder.identity.normalise)
        self.encoder = PooledEncoder(encoder, model.recipe | kept)
        self.head = module_of(model.head)
        rate = model.recipe["sequence_rate"] or 0.0
        frame_rate = encoder.identity.frame_rate
        steps = steps_of(int(MAX_SECONDS * frame_rate), rate / frame_rate)
        self.register_buffer("step", torch.from_numpy(steps))
        _plain(self)
        self.requires_grad_(False).eval()

    def forward(
        self, signal: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of the head (utterance, dim) and logits (utterance, class), or the numbers of a
        regression (utterance, target).

        Args:
            signal: (utterance, sample) as recorded, at 16 kHz, padded with zeros.
            lengths: (utterance,) samples of each, 400 or more.
        """
        features, valid = self.frontend(signal, lengths)
        if self.features.sequences:
            steps = self._steps(self.encoder.framed(valid))
            pooled, sequences = self.encoder(features, valid, steps)
            x, mask = self._sequences(sequences), steps.sum(2) > 0
            if self.features.poolings:
                beside = self._pooled(pooled).flatten(2)[:, :, None].expand(-1, -1, x.shape[2], -1)
                x = torch.cat([x, beside], -1)
            hidden = (x * mask[:, None, :, None]).sum(2) / mask.sum(1)[:, None, None]
            return hidden.flatten(1), self.head(x, mask) / self.temperature
        (pooled,) = self.encoder(features, valid)
        hidden = self._pooled(pooled).flatten(1)
        return hidden, self.head(hidden) / self.temperature

    def _pooled(self, pooled: torch.Tensor) -> torch.Tensor:
        """(utterance, layer, pooling, dim)."""
        if self.features.layer == "mean":
            pooled = pooled.mean(0, keepdim=True)
        return pooled.permute(2, 0, 1, 3)

    def _steps(self, valid: torch.Tensor) -> torch.Tensor:
        """`encoders.framing.step_of_frames`, by a table that no runtime can round otherwise."""
        step = self.step[: valid.shape[1]]
        count = step[-1] + 1  # a tensor: an int would be a constant of the graph
        member = torch.arange(count)[:, None] == step  # type: ignore[call-overload]
        return (member & valid[:, None]).float()

    def _sequences(self, sequences: torch.Tensor) -> torch.Tensor:
        """(utterance, layer, step, dim), in the precision in which a cache keeps them."""
        x = as_half(sequences).transpose(0, 1)
        return as_half(x.mean(1, keepdim=True)) if self.features.layer == "mean" else x


def as_half(x: torch.Tensor) -> torch.Tensor:
    """Round float32 to the 11 significant bits of float16 (Veltkamp's splitting: Dekker 1971, A
    Floating-Point Technique for Extending the Available Precision).

    OpenVINO leaves a conversion to float16 and back out.
    """
    scaled = x * (2**13 + 1)
    return scaled - (scaled - x)


def _plain(module: nn.Module) -> None:
    """Replace parametrisations, such as weight norm, by the weights that they compute."""
    for part in module.modules():
        for name in list(getattr(part, "parametrizations", ())):
            parametrize.remove_parametrizations(part, name)
