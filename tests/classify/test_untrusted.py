"""Untrusted model folders: damaged, forged, or not models."""

import functools
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from sklearn.dummy import DummyClassifier

from classify.heads import HEADS, build, build_regressor, find, storage
from classify.inference.model import Model
from classify.models import schema as model_schema
from classify.models import train as fit
from classify.options import Options
from classify.training_options import TrainingOptions
from data.cache import recipe as recipes
from data.errors import ModelError

Edit = Callable[[dict[str, Any]], object]


def save(cache: Path, folder: Path, head: str = "logreg", scored: bool = False) -> Path:
    training = TrainingOptions(epochs=2 if HEADS[head].neural else None)
    options = Options(cache=cache, head=head, training=training)
    fit.train(options, scored=scored).save(folder)
    return folder


@pytest.fixture
def folder(cache: Path, tmp_path: Path) -> Path:
    """A saved logistic regression."""
    return save(cache, tmp_path / "model")


def alter(folder: Path, edit: Edit, sealed: bool = True) -> None:
    """Change ``model.json``, and seal it again as a forger would."""
    card = json.loads((folder / "model.json").read_text())
    edit(card)
    if sealed:
        card["sha256"] = model_schema.seal(card)
    (folder / "model.json").write_text(json.dumps(card))


def put(folder: Path, content: bytes, name: str = "head.skops") -> None:
    """Another head, with a matching ``model.json``."""
    for old in folder.glob("head.*"):
        old.unlink()
    (folder / name).write_bytes(content)
    alter(folder, lambda card: card.update(head_sha256=hashlib.sha256(content).hexdigest()))


def refused(folder: Path, message: str, estimator: bool = False) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        Model.load(folder, estimator)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.json").unlink(), "incomplete, for model.json is missing"),
        (lambda f: [file.unlink() for file in f.iterdir()], "no model.json in it"),
        (lambda f: shutil.rmtree(f), "no model.json in it"),
        (lambda f: (f / "head.safetensors").unlink(), "head.safetensors is missing"),
        (lambda f: (f / "model.json").write_text("{"), "not JSON"),
        (lambda f: (f / "model.json").write_text("[]"), "not the card of a model"),
        (lambda f: (f / "model.json").write_text("[" * 100_000), "not JSON"),
        (lambda f: (f / "model.json").write_bytes(b"\xff\xfe"), "not JSON"),
        (lambda f: (f / "head.safetensors").write_bytes(b"PK"), "altered"),
        (lambda f: alter(f, lambda card: card.update(seed=1), sealed=False), "altered"),
    ],
)
def test_damage_is_reported(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    refused(folder, message)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda card: card.update(version=9), "version 9, this program reads 2"),
        (lambda card: card.pop("classes"), "classes is missing"),
        (lambda card: card.update(classes="abc"), 'classes is "abc", not ascending names'),
        (lambda card: card.update(classes=["b", "a"]), "not ascending names"),
        (lambda card: card.update(classes=["a", "b", "c", "d"]), "support is not of the classes"),
        (lambda card: card.update(more=1), "more is not known"),
        (lambda card: card.update(head="../evil"), "head is .* not one of logreg"),
        (lambda card: card.update(features={}), r"features\.\w+ is missing"),
        (lambda card: card["features"].update(layers=[7]), "not among those of the recipe"),
        (lambda card: card["features"].update(layer="mix"), "logreg cannot mix layers"),
        (lambda card: card["features"].update(poolings=["max"]), "not among those of the recipe"),
        (lambda card: card.update(temperature=0), "temperature is 0, not a number from 0.05 to 20"),
        (lambda card: card.update(temperature=-1.0), "temperature"),
        (lambda card: card.update(temperature=float("nan")), "not JSON: it holds NaN"),
        (lambda card: card.update(temperature=float("inf")), "not JSON: it holds Infinity"),
        (lambda card: card.update(temperature=True), "temperature is true"),
        (lambda card: card.update(dim=9), "takes 16 features, and model.json says 18"),
        (lambda card: card.update(dim=10**400), "refused"),
        (lambda card: card["recipe"].update(model="other"), "fingerprint is not that"),
        (lambda card: card["corpora"].update(tess=-1), "corpora"),
        (lambda card: card["speakers"]["emodb"].update(count=3), "not as many ids as count"),
    ],
)  # fmt: skip
def test_a_forged_field_is_reported(folder: Path, edit: Edit, message: str) -> None:
    alter(folder, edit)
    refused(folder, message)


def test_numbers_too_large_for_a_float_are_refused(folder: Path) -> None:
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace('"temperature": 1.0', '"temperature": 1e999'))
    refused(folder, "1e999 is too large a number")


def test_half_of_a_unicode_character_is_refused(folder: Path) -> None:
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace('"emotion"', '"\\ud800"'))
    refused(folder, "not JSON")


# --- any field, any value ---

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "mean", "mix", "logreg", "mlp", 10**30, -1, 1e300, 2**63])
    | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside),
    max_leaves=5,
)


def places(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Every field of a card, at any depth."""
    if path:
        yield path
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield from places(value[key], *path, key)


@pytest.mark.parametrize("kind", ["logreg", "mlp", "ridge", "regression"])
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_an_altered_model_is_refused_or_predicts(
    make_cache, tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    """Any field of ``model.json`` dropped or replaced, and sealed again."""
    folder = tmp_path / "model"
    whole = tmp_path / "whole.json"
    if not whole.exists():
        numbers = {"arousal": np.linspace(1, 5, 80).tolist()}
        options = Options(
            cache=make_cache(columns=numbers),
            head="ridge" if kind == "regression" else kind,
            target="arousal," if kind == "regression" else "emotion",
            training=TrainingOptions(epochs=2 if kind == "mlp" else None),
        )
        fit.train(options).save(folder)
        shutil.copy(folder / "model.json", whole)
    card = json.loads(whole.read_text())
    *way, last = data.draw(st.sampled_from(list(places(card))))
    parent = functools.reduce(lambda value, key: value[key], way, card)
    if data.draw(st.booleans()):
        del parent[last]
    else:
        parent[last] = data.draw(JSON)
    if "recipe" in way and data.draw(st.booleans()):
        card["fingerprint"] = recipes.fingerprint(card["recipe"])
    if way or last != "sha256":
        card["sha256"] = model_schema.seal(card)
    (folder / "model.json").write_text(json.dumps(card))
    try:
        model = Model.load(folder)
    except ModelError:
        return
    assert model.card == card
    output = model.of_features(np.ones((1, model.head.n_features_in_), np.float32))
    assert output.shape == (1, len(model.classes or model.targets))
    assert np.isfinite(output).all()


# --- heads ---


def test_a_hostile_head_runs_nothing(folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    put(folder, skops.io.dumps(functools.partial(os.mkdir, str(trap))))
    refused(folder, "refused: type .* is not one that heads are made of")
    assert not trap.exists()


def test_types_that_skops_trusts_and_no_head_has_are_refused(folder: Path) -> None:
    put(folder, skops.io.dumps(DummyClassifier().fit([[0], [1]], ["a", "b"])))
    refused(folder, r"type sklearn\.dummy\.DummyClassifier is not one that heads are made of")


def test_every_type_on_the_list_is_part_of_some_head() -> None:
    """The list is no longer than it has to be, and long enough."""
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 6)).astype(np.float32)  # as features are
    numbers = random.normal(size=(60, 2))
    needed: set[str] = set()
    paths = [path_of(name) for name in sorted(storage.ESTIMATORS)]
    for name in [*HEADS, *paths]:
        head = find(name)
        if head.neural or head.finetuned:
            continue
        if not head.classifies:
            needed |= types_of(build_regressor(name, {}).fit(X, numbers))
            continue
        fitted = [build(name, {}).fit(X, np.repeat(list(some), 30)) for some in ("ab",)]
        fitted.append(build(name, {}).fit(X, np.repeat(list("abc"), 20)))
        fitted += [build_regressor(name, {}).fit(X, numbers)] if head.regressor else []
        needed |= set().union(*map(types_of, fitted))
    assert needed == storage.TYPES


def path_of(kind: str) -> str:
    """``package.module:Class`` of a type in `storage.ESTIMATORS`."""
    module, _, name = kind.rpartition(".")
    return f"{module}:{name}"


def types_of(fitted: object) -> set[str]:
    """The types that a saved head names."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(fitted))) as archive:
        return set(storage._named(json.loads(archive.read("schema.json"))))


def test_a_head_that_differs_from_the_card_is_refused(folder: Path) -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(40, 16)), np.repeat(["anger", "boredom", "neutral", "sadness"], 10)
    put(folder, skops.io.dumps(build("lda", {}).fit(X, y)))
    refused(folder, "parameters differ")
    same = json.loads((folder / "model.json").read_text())["parameters"]
    put(folder, skops.io.dumps(build("logreg", same).fit(X[:, :5], y)))
    refused(folder, "takes 5 features, and model.json says 16")
    put(folder, skops.io.dumps(build("logreg", same).fit(X, np.repeat(list("abcd"), 10))))
    refused(folder, "classes are not those of model.json")


def test_a_head_that_predicts_nan_is_refused(folder: Path) -> None:
    model = Model.load(folder)
    model.head.coef_[0, 0] = np.nan
    name, content = storage.dumps(model.head)
    put(folder, content, name)
    refused(folder, "output is not 4 finite numbers")


@pytest.mark.parametrize(
    ("name", "forge", "message"),
    [
        ("svm", lambda svc: setattr(svc, "_dual_coef_", svc._dual_coef_[:1]), "_dual_coef_ of an"),
        ("svm", lambda svc: setattr(svc, "_n_support", svc._n_support * 9), "number of vectors"),
        ("svm", lambda svc: setattr(svc, "n_features_in_", 3), "number of features"),
    ],
)
def test_forged_support_vectors_are_refused(
    cache: Path, tmp_path: Path, name: str, forge: Callable[[Any], None], message: str
) -> None:
    folder = save(cache, tmp_path / "model", name)
    head = Model.load(folder).head
    forge(head[-1].calibrated_classifiers_[0].estimator)
    put(folder, skops.io.dumps(head))
    refused(folder, message)


@pytest.mark.parametrize("name", ["forest", "boosting"])
def test_forged_trees_of_regressors_are_refused(make_cache, tmp_path: Path, name: str) -> None:
    cache = make_cache(columns={"arousal": np.linspace(1, 5, 80).tolist()})
    folder = tmp_path / "model"
    fit.train(Options(cache=cache, head=name, target="arousal,"), scored=False).save(folder)
    head = Model.load(folder).head
    trees = head.regressor_[-1].estimators_[0]
    if name == "forest":
        trees.estimators_[0].tree_.feature[0] = 10_000
    else:
        trees._predictors[0][0].nodes["feature_idx"][0] = 10_000
    put(folder, skops.io.dumps(head))
    refused(folder, "a tree uses a feature beyond")


def test_neighbours_in_a_tree_are_refused(cache: Path, tmp_path: Path) -> None:
    folder = save(cache, tmp_path / "model", "knn")
    head = Model.load(folder).head
    head[-1]._fit_method = "kd_tree"
    put(folder, skops.io.dumps(head))
    refused(folder, "stored in a tree")


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda tensors: tensors.pop("mean"), "mean"),
        (lambda tensors: tensors.update(mean=tensors["mean"][:, :, :3]), "mean and scale"),
        (lambda tensors: tensors.update(mean=tensors["mean"][0]), "mean and scale"),
        (lambda tensors: tensors["network.out.weight"].fill_(float("nan")), "NaN"),
        (lambda tensors: tensors.update({"network.more": tensors["mean"] + 1}), "network|more"),
        (lambda tensors: tensors.pop("network.out.bias"), "out.bias"),
        (lambda tensors: tensors.update({"network.out.bias": tensors["mean"] + 1}), "out.bias"),
        (
            lambda tensors: tensors.update(
                {"network.out.weight": tensors["network.out.weight"].half()}
            ),
            "refused",
        ),
    ],
)
def test_forged_tensors_are_refused(
    cache: Path, tmp_path: Path, forge: Callable[[dict[str, Any]], object], message: str
) -> None:
    folder = save(cache, tmp_path / "model", "mlp")
    tensors = load_tensors((folder / "head.safetensors").read_bytes())
    forge(tensors)
    content = save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()})
    put(folder, content, "head.safetensors")
    refused(folder, message, estimator=True)
    refused(folder, "refused")


@pytest.mark.parametrize(
    "changes",
    [{"hidden": 100_000}, {"hidden": 10**12}, {"layers": 10**9}, {"steps": 10**9}, {"steps": -1},
     {"hidden": "64"}, {"axis": "dim"}, {"unknown": 1}],
)  # fmt: skip
def test_forged_settings_of_a_network_take_no_memory(
    cache: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    folder = save(cache, tmp_path / "model", "mlp")
    alter(folder, lambda card: card["parameters"].update(changes))
    refused(folder, "parameters|refused", estimator=True)


@pytest.mark.parametrize("head", ["logreg", "mlp"])
def test_a_head_cut_short_is_refused(cache: Path, tmp_path: Path, head: str) -> None:
    folder = save(cache, tmp_path / "model", head)
    file = next(folder.glob("head.*"))
    put(folder, file.read_bytes()[:-9], file.name)
    refused(folder, "refused")


# --- files ---


def test_a_pipe_and_a_device_are_no_files(folder: Path) -> None:
    (folder / "model.json").rename(folder.parent / "model.json")
    os.mkfifo(folder / "model.json")
    refused(folder, "not a file")
    (folder / "model.json").unlink()
    (folder / "model.json").symlink_to("/dev/zero")
    refused(folder, "not a file")


def test_links_to_files_are_followed(folder: Path) -> None:
    """As in the cache of a hub, whose snapshots are links to blobs."""
    for name in ("model.json", "head.safetensors"):
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)
    assert Model.load(folder).classes


def test_large_files_are_not_read(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(cache, tmp_path / "model", "knn")
    content = (folder / "head.skops").read_bytes()
    packed = io.BytesIO(content)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10_000_000))
    put(folder, packed.getvalue())
    with monkeypatch.context() as patch:
        patch.setattr(storage, "MOST_BYTES", 1_000_000)
        refused(folder, "unpacks to 10,.* bytes; at most 1,000,000 are read")
    os.truncate(folder / "head.skops", storage.MOST_BYTES + 1)
    refused(folder, "1,073,741,825 bytes; at most")
    os.truncate(folder / "model.json", 1 << 40)
    refused(folder, "bytes; at most")
