"""Trained heads: kept, loaded, refused, and used on new audio."""

import functools
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import skops.io

from classify import model as models
from classify.dataset import load
from classify.heads import HEADS
from classify.model import Model
from classify.options import Options
from classify.training_options import TrainingOptions
from data import Cache
from data import recipe as recipes
from data.errors import ModelError, UsageError


def trained(cache: Path, head: str) -> tuple[Model, Options]:
    training = TrainingOptions(epochs=3 if HEADS[head].neural else None)
    options = Options(cache=cache, head=head, training=training)
    return models.train(options), options


@pytest.fixture
def folder(cache: Path, tmp_path: Path) -> Path:
    """A saved logistic regression."""
    trained(cache, "logreg")[0].save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("sequences", [False, True], ids=["pooled", "sequences"])
def test_loaded_equals_saved(make_cache, tmp_path: Path, head: str, sequences: bool) -> None:
    model, options = trained(make_cache(sequences=sequences), head)
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    X = load(options).X
    np.testing.assert_array_equal(again.head.predict_proba(X), model.head.predict_proba(X))
    assert again.classes == ["anger", "boredom", "neutral", "sadness"]
    assert again.features == model.features
    assert again.recipe == Cache(options.cache).recipe
    assert not list((tmp_path / "model").glob("*.pkl")) + list((tmp_path / "model").glob("*.job*"))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("sequences", [False, True], ids=["pooled", "sequences"])
def test_new_audio_takes_the_same_way_as_the_cache(make_cache, head: str, sequences: bool) -> None:
    model, options = trained(make_cache(sequences=sequences), head)
    expected = model.head.predict_proba(load(options).X)
    with Cache(options.cache) as cache:
        stored = {pooling: cache.embeddings(pooling) for pooling in cache.poolings}
        steps = [cache.sequences(layer) for layer in cache.sequence_layers]
        for row in range(0, len(cache), 7):
            layers = {pooling: values[:, row] for pooling, values in stored.items()}
            sequence = np.stack([layer[row] for layer in steps]) if sequences else None
            np.testing.assert_allclose(
                model.probabilities(layers, sequence), expected[row], atol=1e-5
            )


def test_an_older_model_is_overwritten_and_nothing_else(cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    for head in ("mlp", "knn"):
        trained(cache, head)[0].save(out)
    assert sorted(file.name for file in out.iterdir()) == ["head.skops", "model.json"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="something other than a model"):
        trained(cache, "knn")[0].save(out)


def alter(folder: Path, sealed: bool, **changes) -> None:
    card = json.loads((folder / "model.json").read_text()) | changes
    if sealed:
        del card["sha256"]
        card["sha256"] = recipes.fingerprint(card)
    (folder / "model.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.json").unlink(), "no model.json in it"),
        (lambda f: (f / "head.skops").unlink(), "head.skops is missing"),
        (lambda f: (f / "model.json").write_text("{"), "not JSON"),
        (lambda f: (f / "model.json").write_text("[]"), "not the card of a model"),
        (lambda f: alter(f, True, version=9), "version 9, this program reads 1"),
        (lambda f: alter(f, True, classes="abc"), "classes is missing or malformed"),
        (lambda f: alter(f, False, classes=["a", "b", "c", "d"]), "altered"),
        (lambda f: alter(f, True, classes=["a", "b", "c", "d"]), "classes are not those"),
        (lambda f: alter(f, True, head="../evil"), "altered"),
        (lambda f: alter(f, True, features={}), "refused"),
        (lambda f: (f / "head.skops").write_bytes(b"PK"), "altered"),
    ],
)
def test_damage_is_told(folder: Path, damage, message: str) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        Model.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", ["logreg", "mlp"])
def test_a_sealed_head_of_another_shape_is_told(cache: Path, tmp_path: Path, head: str) -> None:
    folder = tmp_path / "model"
    trained(cache, head)[0].save(folder)
    file = next(folder.glob("head.*"))
    file.write_bytes(file.read_bytes()[:-9])
    alter(folder, True, head_sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match="refused"):
        Model.load(folder)


def test_a_hostile_head_runs_nothing(folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    content = skops.io.dumps(functools.partial(os.mkdir, str(trap)))
    (folder / "head.skops").write_bytes(content)
    alter(folder, True, head_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match="refused"):
        Model.load(folder)
    assert not trap.exists()
