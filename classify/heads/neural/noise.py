"""Random numbers of a stack of replicas. Those of a replica depend on its own seed alone."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

Rows = npt.NDArray[np.intp]


class Noise:
    """Random numbers of replicas (networks that train side by side), many of which share a seed.

    Args:
        seeds: (replica,) the seed of each.
        device: where the tensors are to be.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.device = device
        distinct, self.place = np.unique(np.asarray(seeds, np.uint64), return_inverse=True)
        self.seeds = distinct.tolist()
        self.streams: list[np.random.Generator] = []

    def begin(self, *moment: int) -> None:
        """Seed the generators for a moment: (epoch, purpose)."""
        self.streams = [np.random.default_rng([seed, *moment]) for seed in self.seeds]

    def orders(self, sizes: Sequence[int]) -> list[Rows]:
        """For each replica a random order of its numbers below `sizes` (replica,)."""
        keys = [stream.random(max(sizes)) for stream in self.streams]
        return [
            np.argsort(keys[place][:size], kind="stable")
            for place, size in zip(self.place, sizes, strict=True)
        ]

    def beta(self, alpha: float) -> torch.Tensor:
        """(replica, 1) numbers of a beta distribution with both parameters `alpha`."""
        return self._spread(
            np.array([[stream.beta(alpha, alpha)] for stream in self.streams], np.float32)
        )

    def dropout(self, share: float, *shape: int) -> torch.Tensor:
        """(replica, *shape) 0 for a `share` of the numbers and 1 / (1 - share) for the rest."""
        drawn = np.stack([stream.random(shape, np.float32) for stream in self.streams])
        return self._spread(np.multiply(drawn >= share, 1 / (1 - share), dtype=np.float32))

    def _spread(self, values: npt.NDArray[np.float32]) -> torch.Tensor:
        """From the seeds to the replicas; one axis of length 1 serves all where all are equal."""
        found = torch.from_numpy(values if len(self.seeds) == 1 else values[self.place])
        return found.to(self.device)
