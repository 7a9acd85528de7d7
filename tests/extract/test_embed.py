"""Embedding in memory equals the cache, in order."""

import numpy as np
import pytest
import soundfile
import transformers
from standin import StandIn

from data import Cache
from data.errors import RecipeMismatch, UsageError
from extract.decoding import Refusal
from extract.embedder import Embedder, Embedding
from extract.encoders.encoder import untrained_model
from extract.engines import open_engine
from extract.pipeline import extract
from extract.recipe import Request


@pytest.fixture
def listed(folder_corpus, utterances):
    return utterances(folder_corpus(9))


def test_results_come_in_the_order_of_the_utterances(listed):
    listed[4].file.write_bytes(b"words" * 20)
    wanted = [*reversed(listed), listed[2], listed[4], listed[2]]
    results = list(Embedder(StandIn())(wanted))
    assert [result.utterance for result in results] == wanted
    assert sum(isinstance(result, Refusal) for result in results) == 2


def test_the_numbers_are_those_of_the_cache(listed, tmp_path):
    request = Request(pooling=("mean", "max"), sequence=5, sequence_layers="1")
    extract(listed, open_engine("untrained:tiny", request, "cpu"), tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        embedder = Embedder.from_recipe(cache.recipe, "cpu")
        steps = dict(zip(cache.utterances["id"], cache.sequences(1), strict=True))
        for result in embedder(listed):
            assert isinstance(result, Embedding)
            np.testing.assert_allclose(
                result.layers["mean"], cache[result.utterance.id], rtol=1e-4, atol=1e-6
            )
            np.testing.assert_allclose(
                result.sequence[0], steps[result.utterance.id], rtol=1e-2, atol=1e-3
            )


def test_a_moved_encoder_is_known_by_its_weights_and_another_is_refused(listed, tmp_path):
    untrained_model("untrained:tiny").save_pretrained(tmp_path / "first")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "first")
    extract(listed, open_engine(str(tmp_path / "first"), Request(), "cpu"), tmp_path / "c.h5")
    recipe = Cache(tmp_path / "c.h5").recipe
    (tmp_path / "first").rename(tmp_path / "moved")
    Embedder.from_recipe(recipe, "cpu", str(tmp_path / "moved"))
    other = untrained_model("untrained:tiny")
    other.encoder.layer_norm.bias.data += 1
    other.save_pretrained(tmp_path / "moved")
    with pytest.raises(RecipeMismatch, match=r"weights: .* ≠ "):
        Embedder.from_recipe(recipe, "cpu", str(tmp_path / "moved"))


@pytest.mark.parametrize("change", [{"pooling": None}, {"layers": 3}, {"precision": 1}, None])
def test_an_invalid_recipe_is_reported_before_loading(change):
    recipe = open_engine("untrained:tiny", Request(), "cpu").recipe | (change or {})
    if change is None:
        del recipe["sequence_rate"]
    with pytest.raises((RecipeMismatch, UsageError), match=r"not a recipe|--precision 1"):
        Embedder.from_recipe(recipe, "cpu")


def test_a_segment_is_embedded_as_if_it_were_a_file(tmp_path, waveform, utterances):
    samples = waveform(1, 2.0)
    soundfile.write(tmp_path / "long.wav", samples, 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "cut.wav", samples[8_000:20_000], 16_000, subtype="FLOAT")
    (tmp_path / "t.csv").write_text("file,start,end\nlong.wav,0.5,1.25\ncut.wav,,\n")
    one, other = Embedder(open_engine("untrained:tiny", Request(), "cpu"))(
        utterances(tmp_path / "t.csv")
    )
    np.testing.assert_allclose(one.layers["mean"], other.layers["mean"], rtol=1e-5, atol=1e-7)


def test_a_waveform_in_memory_is_embedded_as_its_file(listed):
    embedder = Embedder(open_engine("untrained:tiny", Request(sequence=5), "cpu"))
    waveforms = [soundfile.read(utterance.file, dtype="float32")[0] for utterance in listed]
    for embedded, read in zip(embedder.waveforms(waveforms), embedder(listed), strict=True):
        np.testing.assert_array_equal(embedded.layers["mean"], read.layers["mean"])
        np.testing.assert_array_equal(embedded.sequence, read.sequence)


def test_a_waveform_that_is_none_is_refused_and_the_others_are_not(waveform):
    odd = [
        np.zeros(16_000), waveform(1, 0.01), waveform(2, 1.0), np.full(16_000, np.nan),
        np.ones((2, 16_000)), np.ones(601 * 16_000, np.float32),
    ]  # fmt: skip
    silent, short, good, nan, stereo, long = Embedder(StandIn()).waveforms(odd)
    assert isinstance(good, Embedding)
    for result, reason in [
        (silent, "silent"), (short, "too short"), (nan, "NaN"), (stereo, "shape"), (long, "longer"),
    ]:  # fmt: skip
        assert reason in result.reason
