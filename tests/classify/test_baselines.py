"""Baselines of a cache in place of a layer."""

import numpy as np
import pytest

from classify.evaluation.run import evaluate
from classify.models.train import train
from classify.options import Options
from data.cache import Cache
from data.cache.writer import write_cache
from data.errors import UsageError


@pytest.fixture
def with_baseline(cache, tmp_path):
    """A cache whose baseline `egemaps` has the numbers of layer 1."""
    with Cache(cache) as read:
        columns = {name: read.utterances[name].tolist() for name in read.utterances}
        layers = {"mean": np.stack([read.layer(layer, "mean") for layer in read.layers])}
        recipe = read.recipe | {"pooling": ["mean"], "baselines": {"egemaps": "…"}}
    path = tmp_path / "baseline.h5"
    write_cache(path, recipe, columns, layers, baselines={"egemaps": layers["mean"][1]})
    return path


@pytest.mark.parametrize("head", ["logreg", "mlp"])
def test_a_baseline_is_cross_validated_as_a_layer(with_baseline, head):
    runs = [
        evaluate(Options(head=head, cache=with_baseline, layer=layer)) for layer in (1, "egemaps")
    ]
    assert runs[0].outcome.as_json() == runs[1].outcome.as_json()
    assert str(runs[1].dataset.features) == "egemaps, without an encoder"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "logmel"}, "--layer logmel: .* holds 0, 1, 2, egemaps"),
        ({"layer": "egemaps", "poolings": ("mean",)}, "leave out --pooling"),
        ({"layer": "egemaps", "head": "gru"}, "not over --layer egemaps"),
    ],
)
def test_unreadable_files_are_refused(with_baseline, options, message):
    with pytest.raises(UsageError, match=message):
        evaluate(Options(**({"head": "logreg", "cache": with_baseline} | options)))


def test_no_model_is_trained_on_a_baseline(with_baseline):
    with pytest.raises(UsageError, match="predicts from the layers of an encoder"):
        train(Options(head="logreg", cache=with_baseline, layer="egemaps"))
