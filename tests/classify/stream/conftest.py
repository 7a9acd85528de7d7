"""A saved head on a tiny encoder, and a source that has its samples already."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from classify.train import main as train
from extract.__main__ import main as extract


@pytest.fixture(scope="session")
def model(tmp_path_factory, waveform) -> Path:
    """The folder of a logistic regression on ``untrained:tiny``: anger or sadness."""
    root = tmp_path_factory.mktemp("stream")
    for number in range(8):
        file = root / "corpus" / ("anger", "sadness")[number % 2] / f"s{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, waveform(number, 0.4), 16_000)
    cache = ["-o", str(root / "cache.h5"), "--model", "untrained:tiny", "-q"]
    assert extract([str(root / "corpus"), *cache]) == 0
    assert train(["-o", str(root / "model"), "--head", "logreg", "--cache", cache[1], "-q"]) == 0
    return root / "model"


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
