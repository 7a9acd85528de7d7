"""A trained head on a tiny encoder, and a source with given samples."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def model(tiny_model: Path) -> Path:
    """The folder of a logistic regression on ``untrained:tiny``: anger or sadness."""
    return tiny_model


class Ready:
    """A source of blocks that are there; it may be slow, and may fail at its end."""

    def __init__(
        self, blocks: Iterable[np.ndarray], delay: float = 0, error: Exception | None = None
    ) -> None:
        self.arrived, self.lost = 0.0, 0
        self._blocks, self._delay, self._error = blocks, delay, error

    def blocks(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            time.sleep(self._delay)
            self.arrived = time.monotonic()
            yield block
        if self._error:
            raise self._error


@pytest.fixture(scope="session")
def ready() -> type[Ready]:
    return Ready
