"""Which engine runs, and what is kept of it."""

import numpy as np
import pytest

from data import Cache
from data.errors import RecipeMismatch, UsageError
from extract.decoding import prefetched
from extract.embed import Embedder
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
    with pytest.raises(UsageError, match="--device cuda: OpenVINO is here for the CPU"):
        open_engine(TINY, Request(engine="openvino"), "cuda")


@pytest.fixture
def encoders(tmp_path, monkeypatch):
    """The folder of compiled encoders, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "wav2emo"


def test_a_compiled_encoder_is_kept_and_a_damaged_one_made_again(encoders, waveform):
    waveforms = [waveform(1, 0.4), waveform(2, 0.6)]
    first = open_engine(TINY, Request(), "cpu").embed(waveforms).layers["mean"]
    (kept,) = encoders.iterdir()
    made = kept.stat().st_ino
    again = open_engine(TINY, Request(), "cpu").embed(waveforms).layers["mean"]
    assert kept.stat().st_ino == made
    np.testing.assert_array_equal(first, again)
    kept.write_bytes(kept.read_bytes()[:1_000])
    mended = open_engine(TINY, Request(), "cpu").embed(waveforms).layers["mean"]
    np.testing.assert_array_equal(first, mended)
    assert kept.stat().st_size > 1_000


def test_only_so_many_compiled_encoders_are_kept(encoders):
    for layers in ("0", "1", "2", "0-1"):
        open_engine(TINY, Request(layers=layers), "cpu")
    assert len(list(encoders.iterdir())) == 3


def test_where_compiled_encoders_cannot_be_kept_all_goes_on(encoders, waveform):
    encoders.write_text("no folder")
    open_engine(TINY, Request(), "cpu").embed([waveform(1, 0.4)])


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
    listed = utterances(folder_corpus(6))
    extract(listed, open_engine(TINY, Request(engine="torch"), "cpu"), tmp_path / "c.h5")
    with pytest.raises(RecipeMismatch, match=r"engine: torch .* ≠ openvino"):
        extract(listed, open_engine(TINY, Request(), "cpu"), tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        assert Request().fitted_to(cache.recipe).engine == "torch"
        embedder = Embedder.from_recipe(cache.recipe, "cpu")
        assert embedder.engine.recipe["engine"] == "openvino"
        for result in embedder(listed):
            assert relative(result.layers["mean"][1], cache[result.utterance.id][1]) < 1e-5


def test_a_long_recording_in_blocks_is_what_the_whole_is(waveform):
    """torch convolves a second at a time on a CPU, OpenVINO all at once."""
    found = [
        open_engine(TINY, Request(engine=engine), "cpu").embed([waveform(1, 20.01)]).layers["mean"]
        for engine in ("torch", "openvino")
    ]
    assert relative(*found) < 1e-5


def test_prefetching_changes_nothing_and_hands_on_errors():
    assert list(prefetched(iter([[1], [2], [3]]))) == [[1], [2], [3]]

    def fails():
        yield [1]
        raise OSError("disk")

    items = prefetched(fails())
    assert next(items) == [1]
    with pytest.raises(OSError, match="disk"):
        next(items)
