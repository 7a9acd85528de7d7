"""Selection from a cache: rows, classes, features, and counts of what is left out."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from classify.dataset import load
from classify.options import Options
from classify.training_options import TrainingOptions
from data import Cache
from data.cache.recipe import encoder_name
from data.errors import CacheError, UsageError
from extract.engines import open_engine
from extract.pipeline import extract
from extract.recipe import Request


def test_features_are_those_of_the_cache(make_cache) -> None:
    path = make_cache(sequences=True)
    cache = Cache(path)
    whole = np.concatenate([cache.embeddings("mean"), cache.embeddings("std")], axis=2)

    def X(**options) -> np.ndarray:
        return load(Options(cache=path, **options)).X

    np.testing.assert_allclose(X(head="logreg"), whole.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(X(head="logreg", layer=1), whole[1])
    np.testing.assert_array_equal(X(head="knn", layer=2, poolings=("std",)), cache.layer(2, "std"))
    np.testing.assert_array_equal(X(head="mlp").reshape(80, 3, -1), whole.transpose(1, 0, 2))
    steps = X(head="gru", layer=2, poolings=("none",)).reshape(80, 8, 8)
    for row, sequence in zip(steps, cache.sequences(2), strict=True):
        np.testing.assert_array_equal(row[: len(sequence)], sequence.astype(np.float32))
        assert np.isnan(row[len(sequence) :]).all()
    with_all = X(head="gru", layer=2).reshape(80, 8, 16)
    np.testing.assert_array_equal(with_all[..., :8], steps)
    for row, sequence, std in zip(with_all, cache.sequences(2), cache.layer(2, "std"), strict=True):
        assert (row[: len(sequence), 8:] == std).all()
        assert np.isnan(row[len(sequence) :]).all()
    mixed = X(head="gru", layer="mix").reshape(80, 2, 8, 16)
    np.testing.assert_array_equal(mixed[:, 1], with_all)
    np.testing.assert_array_equal(mixed[:, 0, 0, 8:], cache.layer(1, "std"))
    mean = X(head="gru").reshape(80, 8, 16)
    np.testing.assert_allclose(mean[:, 0], mixed[:, :, 0].mean(1), rtol=1e-2, atol=1e-3)


def test_selects_corpora_and_labels(make_cache) -> None:
    make_cache("both/a.h5")
    cache = make_cache("both/b.h5", corpus="other", emotions="WL").parent
    both = load(Options(cache=cache, head="logreg", labels="native"))
    assert both.corpora == {"emodb": 80, "other": 40}
    one = load(
        Options(cache=cache, head="logreg", corpora=("emodb",), labels="anger,x=neutral+boredom")
    )
    assert one.classes == ("anger", "x")
    assert one.corpora == {"emodb": 60}
    assert set(one.truth[one.utterances["emotion"] == "L"]) == {"x"}


def test_excluded_utterances_are_counted_by_reason(make_cache, caplog) -> None:
    emotions = ["", "", *"WLN" * 25, "T", "T", "T"]
    cache = make_cache(columns={"emotion": emotions, "speaker": ["01"] * 76 + [""] + ["02"] * 3})
    options = Options(cache=cache, head="logreg", labels="anger,boredom,neutral")
    with caplog.at_level(logging.WARNING, "wav2emo"):
        dataset = load(options)
    assert (
        "left out 6 of 80 utterances: 3 of no class, 1 without a speaker, 2 without emotion"
        in caplog.text
    )
    assert len(dataset.y) == len(dataset.utterances) == len(dataset.X) == 74
    assert len(load(options, folds=False).y) == 75


def test_any_column_can_be_the_target(make_cache) -> None:
    cache = make_cache(columns={"sex": ["f", "m"] * 40, "age": [20.0, 31.5] * 40})
    assert load(Options(cache=cache, head="logreg", target="sex")).classes == ("f", "m")
    assert load(Options(cache=cache, head="logreg", target="age")).classes == ("20", "31.5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corpora": ("tess",)}, "--corpus tess: .* holds emodb"),
        ({"target": "mood"}, "--target mood: .* has the columns id, corpus"),
        ({"layer": 9}, "--layer 9: .* holds 0, 1, 2"),
        ({"poolings": ("max",)}, "--pooling max: .* holds mean, std"),
        ({"labels": "anger"}, "20 utterances of anger; expected two classes.*L, N, T, W"),
        ({"labels": "fear,disgust"}, "of no class; expected two classes"),
        ({"head": "gru", "layer": 1}, "--sequence 5"),
        ({"poolings": ("none",)}, "--pooling none: --head logreg reads no sequences"),
        ({"head": "gru", "poolings": ("none",)}, "--pooling none: --head gru reads no sequences"),
    ],
)
def test_errors_name_what_the_cache_contains(cache, options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(Options(cache=cache, **{"head": "logreg", **options}))


def test_sequences_of_layers_that_are_not_pooled_stand_alone(
    folder_corpus, utterances, tmp_path
) -> None:
    request = Request(layers="0", sequence=5, sequence_layers="1")
    engine = open_engine("untrained:tiny", request, "cpu")
    extract(utterances(folder_corpus(9)), engine, tmp_path / "c.h5")
    options = Options(head="gru", cache=tmp_path / "c.h5")
    assert load(options).features.poolings == ()
    with pytest.raises(UsageError, match="pools layers 0, and sequences of 1 are read"):
        load(replace(options, poolings=("std",)))


def test_a_missing_cache_names_the_command_that_makes_it(tmp_path) -> None:
    with pytest.raises(CacheError, match="python -m extract"):
        load(Options(cache=tmp_path / "none.h5"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "tree"}, "no head 'tree': choose from logreg, ridge, lda"),
        ({"head": "svm", "layer": "mix"}, "mlp, gru"),
        ({"head": "knn", "training": TrainingOptions(epochs=3)}, "neural"),
        ({"head": "svm", "normalize": "none"}, "neural"),
        ({"normalize": "all"}, "global, speaker or none"),
        ({"head": "mlp", "axis": "time"}, "gru, attention, transformer"),
        ({"head": "logreg", "seeds": 2}, "deterministic"),
        ({"head": "knn", "balance": True}, "these do: logreg"),
        ({"tune": 1}, "2 or more"),
        ({"seeds": 0}, "1 or more"),
        ({"folds": 1}, "2 or more"),
        ({"target": "sex", "labels": "anger"}, "--labels is for emotions"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_options_are_verified(options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Options(**options)


def test_a_control_is_never_named_like_a_pretrained_encoder() -> None:
    assert encoder_name({"model": "untrained", "control": True}) == "untrained control"
    assert "control" in encoder_name({"model": "mine/random", "control": True})
    assert encoder_name({"model": "facebook/wav2vec2-base", "control": False}) == (
        "facebook/wav2vec2-base"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("dropout", 1.0), ("learning_rate", 0.0), ("mixup", -1.0), ("hidden", 1)],
)
def test_training_options_are_verified(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} {value:g}: expected"):
        TrainingOptions(**{name: value})


def test_dates_are_classes_of_their_own(make_cache) -> None:
    days = [20240101.0 + n % 3 for n in range(80)]
    dataset = load(Options(cache=make_cache(columns={"day": days}), target="day"))
    assert dataset.classes == ("20240101", "20240102", "20240103")
    assert np.bincount(dataset.y).tolist() == [27, 27, 26]


def test_ratings_are_called_as_they_always_were(make_cache) -> None:
    ratings = [(-1.0, 0.0, 0.5, 2.0, None)[n % 5] for n in range(80)]
    dataset = load(Options(cache=make_cache(columns={"rating": ratings}), target="rating"))
    assert dataset.classes == ("-1", "0", "0.5", "2")
