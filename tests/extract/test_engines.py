"""Selection of engines. What is kept of an encoder: test_kept.py."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from data import Cache
from data.errors import RecipeMismatch, UsageError
from extract.decoding import prefetched
from extract.embedder import Embedder
from extract.encoders.convolutions import Convolutions
from extract.encoders.encoder import untrained_model
from extract.engines import open_engine
from extract.pipeline import extract
from extract.recipe import Request

TINY = "untrained:tiny"


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def test_on_a_cpu_openvino_runs_unless_torch_is_asked_for():
    assert open_engine(TINY, Request(), "cpu").recipe["engine"] == "openvino"
    assert open_engine(TINY, Request(engine="torch"), "cpu").recipe["engine"] == "torch"


def test_openvino_is_for_the_cpu():
    with pytest.raises(UsageError, match="--device cuda: OpenVINO is for the CPU"):
        open_engine(TINY, Request(engine="openvino"), "cuda")


TWO_SIGNALS = """
import signal
from extract.engines import open_engine
from extract.recipe import Request

engine = open_engine("untrained:tiny", Request(engine="openvino"), "cpu")
both = {signal.SIGINT, signal.SIGUSR1}
came = []
for number in both:
    signal.signal(number, lambda number, _: came.append(number))
signal.pthread_sigmask(signal.SIG_BLOCK, both)
for number in both:
    signal.raise_signal(number)
signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
assert set(came) == both
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs POSIX signals")
def test_two_signals_at_the_same_time_are_harmless():
    """Where there is AMX, OpenVINO's stack for signal handlers has room for one."""
    command = [sys.executable, "-c", TWO_SIGNALS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_two_runs_give_the_same_bytes(engine, folder_corpus, utterances, tmp_path):
    listed = utterances(folder_corpus(6))
    found = []
    for name in ("a.h5", "b.h5"):
        extract(listed, open_engine(TINY, Request(engine=engine), "cpu"), tmp_path / name)
        with Cache(tmp_path / name) as cache:
            found.append(cache.embeddings("std").tobytes())
    assert found[0] == found[1]


def test_a_cache_is_extended_by_its_own_engine_and_read_with_any(
    folder_corpus, utterances, tmp_path
):
    listed, request = utterances(folder_corpus(6)), Request(engine="torch", precision="float32")
    extract(listed, open_engine(TINY, request, "cpu"), tmp_path / "c.h5")
    with pytest.raises(RecipeMismatch, match=r"engine: torch .* ≠ openvino"):
        extract(listed, open_engine(TINY, Request(), "cpu"), tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        assert Request().fitted_to(cache.recipe).engine == "torch"
        embedder = Embedder.from_recipe(cache.recipe, "cpu")
        assert embedder.engine.recipe["engine"] == "openvino"
        for result in embedder(listed):
            assert relative(result.layers["mean"][1], cache[result.utterance.id][1]) < 1e-5


@pytest.mark.parametrize("samples", [400, 16_000, 16_079, 16_080, 16_400, 48_321])
def test_convolutions_in_blocks_equal_the_whole(samples):
    convolutions = Convolutions(untrained_model(TINY).feature_extractor)
    waveform = torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
    kernels = convolutions.first_layer(waveform, [samples])
    with torch.inference_mode():
        whole, blocks = convolutions(waveform, kernels), convolutions.in_blocks(waveform, kernels)
    torch.testing.assert_close(blocks, whole, rtol=1e-5, atol=1e-6)


def test_prefetching_changes_nothing_and_hands_on_errors():
    assert list(prefetched(iter([[1], [2], [3]]))) == [[1], [2], [3]]

    def fails():
        yield [1]
        raise OSError("disk")

    items = prefetched(fails())
    assert next(items) == [1]
    with pytest.raises(OSError, match="disk"):
        next(items)
