"""The interface of front ends."""

from collections.abc import Sequence

import torch
from torch import nn


class FrontEnd(nn.Module):
    """Computes features from samples, so that an utterance's do not depend on its batch."""

    def features(self, samples: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Compute what the projection of the architecture takes.

        Args:
            samples: (utterance, sample) float32, padded with zeros.
            lengths: (utterance,) number of samples.

        Returns:
            (utterance, feature, channel), unless the architecture defines another layout; features
            of padding have any values.
        """
        raise NotImplementedError

    def narrow(self, dtype: torch.dtype) -> None:
        """Convert what may be computed in `dtype`, a lower precision than float32."""
