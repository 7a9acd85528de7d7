"""Trained heads: saved, loaded, and used on new audio. Refusals: test_untrusted.py."""

import contextlib
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skops.io
from scipy.special import softmax

from classify.dataset import load
from classify.heads import HEADS
from classify.inference.model import Model
from classify.models import schema
from classify.models import train as fit
from classify.options import Options
from classify.training_options import TrainingOptions
from data import Cache
from data.errors import ModelError, UsageError

# of caches with pooled layers alone, and with sequences, which some heads read
BOTH = [
    *((name, False) for name, head in HEADS.items() if not head.finetuned),
    *((name, True) for name, head in HEADS.items() if head.sequences or name == "ridge"),
]


def trained(cache: Path, head: str, scored: bool = False) -> tuple[Model, Options]:
    training = TrainingOptions(epochs=3 if HEADS[head].neural else None)
    options = Options(cache=cache, head=head, training=training)
    return fit.train(options, scored=scored), options


@pytest.fixture
def folder(cache: Path, tmp_path: Path) -> Path:
    """A saved logistic regression."""
    trained(cache, "logreg")[0].save(tmp_path / "model")
    return tmp_path / "model"


def seen(model: Model, options: Options) -> np.ndarray:
    """The features of the training utterances, as the model reads them from the cache."""
    return load(replace(options, layer=model.features.layer)).X


@pytest.mark.parametrize(("head", "sequences"), BOTH)
def test_loaded_equals_saved(make_cache, tmp_path: Path, head: str, sequences: bool) -> None:
    model, options = trained(make_cache(sequences=sequences), head)
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    X = seen(model, options)
    whole = Model.load(tmp_path / "model", estimator=True)
    assert type(whole.head) is type(model.head)
    np.testing.assert_allclose(whole.of_features(X), model.of_features(X), rtol=1e-9)
    np.testing.assert_allclose(again.of_features(X), model.of_features(X), rtol=1e-5, atol=1e-7)
    assert again.classes == ["anger", "boredom", "neutral", "sadness"]
    assert again.features == model.features
    assert again.recipe == Cache(options.cache).recipe
    kind = "safetensors" if HEADS[head].neural or HEADS[head].scores else "skops"
    names = {file.name for file in (tmp_path / "model").iterdir()}
    assert names == {"README.md", "model.json", f"head.{kind}"}


@pytest.mark.parametrize(("head", "sequences"), BOTH)
def test_new_audio_is_embedded_as_the_cache_was(make_cache, head: str, sequences: bool) -> None:
    model, options = trained(make_cache(sequences=sequences), head)
    model = replace(model, card={**model.card, "temperature": 1.7})
    expected = model.of_features(seen(model, options))
    with Cache(options.cache) as cache:
        stored = {pooling: cache.embeddings(pooling) for pooling in cache.poolings}
        steps = [cache.sequences(layer) for layer in cache.sequence_layers]
        for row in range(0, len(cache), 7):
            layers = {pooling: values[:, row] for pooling, values in stored.items()}
            sequence = np.stack([layer[row] for layer in steps]) if sequences else None
            X = model.features.of_embedding(model.recipe, layers, sequence)
            np.testing.assert_allclose(
                model.of_features(X)[0],
                expected[row],
                atol=1e-3 if head == "knn" else 1e-5,  # its own neighbour at 0, or nearly
            )


def test_the_temperature_is_applied(cache: Path, tmp_path: Path) -> None:
    model, options = trained(cache, "logreg", scored=True)
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.temperature == model.temperature != 1
    X = seen(model, options)
    plain = model.head.predict_proba(X)
    expected = softmax(np.log(plain) / again.temperature, axis=1)
    np.testing.assert_allclose(again.of_features(X), expected, rtol=1e-9)
    np.testing.assert_array_equal(expected.argmax(1), plain.argmax(1))


def test_linear_heads_of_earlier_versions_are_read(cache: Path, tmp_path: Path) -> None:
    """They were stored by skops."""
    model, options = trained(cache, "logreg")
    out = tmp_path / "model"
    model.save(out)
    (out / "head.safetensors").unlink()
    content = skops.io.dumps(model.head)
    (out / "head.skops").write_bytes(content)
    card = json.loads((out / "model.json").read_text())
    card["head_sha256"] = hashlib.sha256(content).hexdigest()
    (out / "model.json").write_text(json.dumps(card | {"sha256": schema.seal(card)}))
    X = seen(model, options)
    np.testing.assert_allclose(Model.load(out).of_features(X), model.of_features(X), rtol=1e-9)


def test_an_older_model_is_overwritten_and_nothing_else(cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    for head in ("mlp", "knn"):
        trained(cache, head)[0].save(out)
    assert {file.name for file in out.iterdir()} == {"README.md", "head.skops", "model.json"}
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="something other than a model"):
        trained(cache, "knn")[0].save(out)


def test_a_readme_alone_is_somebody_elses(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README.md").write_text("mine")
    with pytest.raises(UsageError, match="something other than a model"):
        trained(cache, "knn")[0].save(tmp_path / "project")


@pytest.mark.parametrize("before", [False, True], ids=["new", "over an older one"])
@pytest.mark.parametrize("renames", [0, 1, 2])
def test_killed_while_saving(cache: Path, tmp_path: Path, before: bool, renames: int) -> None:
    """Of a child that is gone after so many files, nothing is taken for a model."""
    out = tmp_path / "model"
    if before:
        trained(cache, "knn")[0].save(out)
    model, _ = trained(cache, "logreg")
    if not (child := os.fork()):
        done, rename = [0], os.replace

        def stop(*arguments) -> None:
            if done[0] == renames:
                os._exit(9)
            done[0] += 1
            rename(*arguments)

        os.replace = stop
        with contextlib.suppress(BaseException):
            model.save(out)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    with pytest.raises(ModelError, match=r"incomplete|no model\.json"):
        Model.load(out)
    model.save(out)
    assert Model.load(out).card["head"] == "logreg"
    assert sorted(os.listdir(out)) == ["README.md", "head.safetensors", "model.json"]
