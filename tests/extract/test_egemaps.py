"""eGeMAPS functionals in caches, compared with openSMILE alone."""

import importlib.metadata
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data import Cache
from data.errors import RecipeMismatch, UsageError
from extract import egemaps
from extract.baselines import baselines
from extract.decoding import Refusal
from extract.embedder import Embedder
from extract.engines import open_engine
from extract.pipeline import extract
from extract.recipe import Request, parse_baselines

ALL = ("logmel", "energy", "egemaps")


@pytest.fixture
def smile():
    opensmile = pytest.importorskip("opensmile")
    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)


def test_a_cache_holds_what_opensmile_computes_of_a_file(
    smile, folder_corpus, utterances, tmp_path
):
    listed = utterances(folder_corpus(4, seconds=(0.5,)))
    engine = open_engine("untrained:tiny", Request(baselines=ALL), "cpu")
    extract(listed, engine, tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        stored, ids = cache.baseline("egemaps"), cache.utterances["id"].tolist()
        assert stored.shape == (4, 88)
        described = cache.recipe["baselines"]["egemaps"]
        assert described.startswith("eGeMAPSv02 functionals, 88, by opensmile 2.")
        recipe = cache.recipe
    for utterance in listed:
        alone = smile.process_file(utterance.file)  # the corpus has 16 kHz
        np.testing.assert_array_equal(stored[ids.index(utterance.id)], alone.to_numpy()[0])
    other = open_engine("untrained:tiny", Request(baselines=ALL[:2]), "cpu")
    with pytest.raises(RecipeMismatch, match="baselines"):
        extract(listed, other, tmp_path / "c.h5")
    assert Request().fitted_to(recipe).baselines == ("egemaps", "energy", "logmel")
    (again,) = Embedder.from_recipe(recipe, "cpu")(listed[:1])
    np.testing.assert_array_equal(again.baselines["egemaps"], stored[ids.index(listed[0].id)])


def test_threads_and_repetitions_give_the_same_numbers(smile, waveform):
    recorded = [waveform(seed, 0.4) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(egemaps.egemaps, recorded))
    for found, one in zip(together, recorded, strict=True):
        np.testing.assert_array_equal(found, egemaps.egemaps(one))


@pytest.mark.parametrize("samples", [400, 959, 960, 16_000])
def test_silent_and_short_utterances_are_finite(smile, waveform, samples):
    for recorded in (np.zeros(samples, np.float32), waveform(2, 1.0)[:samples]):
        found = baselines(recorded, ["egemaps"])["egemaps"]
        assert found.shape == (88,)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


def test_samples_beyond_full_scale_do_not_wrap(smile, waveform):
    """A wrapped sample of 16 bits would make a click."""
    loud = waveform(1, 1.0)
    loud *= 1.2 / abs(loud).max()
    clipped = np.clip(loud, -1, 32767 / 32768)
    expected = smile.process_signal(clipped, 16_000).to_numpy()[0]
    np.testing.assert_array_equal(egemaps.egemaps(loud), expected)
    assert not np.allclose(smile.process_signal(loud, 16_000).to_numpy()[0], expected, rtol=0.01)


def test_nan_is_a_refusal(smile, waveform, monkeypatch):
    monkeypatch.setattr(egemaps, "_smile", lambda: lambda signal, rate: np.full(88, np.nan))
    embedder = Embedder(open_engine("untrained:tiny", Request(baselines=("egemaps",)), "cpu"))
    refused = embedder.waveform(waveform(1, 0.5))
    assert isinstance(refused, Refusal)
    assert refused.reason == "openSMILE returns NaN or infinity for eGeMAPS"


def test_the_licence_is_logged_once(smile, waveform, caplog, propagation):
    egemaps._smile.cache_clear()
    with caplog.at_level(logging.INFO, "wav2emo"):
        for _ in range(2):
            egemaps.egemaps(waveform(1, 0.2))
    assert [record.getMessage() for record in caplog.records] == [f"eGeMAPS: {egemaps.LICENCE}"]


def test_without_opensmile_the_error_names_the_extra(monkeypatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(UsageError, match=r"pip install 'wav2emo\[opensmile\]'.*openSMILE by"):
        open_engine("untrained:tiny", Request(baselines=("egemaps",)), "cpu")
    open_engine("untrained:tiny", Request(), "cpu")  # the others do not need it


@pytest.mark.parametrize("given", ["mfcc", "logmel,logmel", "", "logmel,none"])
def test_unknown_baselines_are_refused(given):
    with pytest.raises(UsageError, match="expected some of logmel, energy, egemaps, or none"):
        Request(baselines=parse_baselines(given))
