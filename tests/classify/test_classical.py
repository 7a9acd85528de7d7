"""The heads from scikit-learn: what they are, that they take weights, and that their trees are
looked at before they are walked."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight

from classify.dataset import load
from classify.evaluation.run import evaluate, new_head
from classify.heads import HEADS, build
from classify.heads.trees import check_trees
from classify.inference.model import Model
from classify.models.train import train
from classify.options import Options
from data.errors import ModelError

WEIGHTED = ("svm", "linear-svm", "forest", "boosting")
TREES = ("forest", "boosting")


def blobs(seed: int = 0, weights: list[float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """150 utterances of three classes that overlap."""
    return make_classification(
        150, 20, n_informative=6, n_classes=3, weights=weights, class_sep=0.7, random_state=seed
    )


def made(name: str, **parameters: object):
    seed = {"random_state": 0} if HEADS[name].random else {}
    return build(name, {**seed, **parameters})


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("name", ["svm", "linear-svm"])
def test_support_vectors_decide_as_the_plain_machine(name: str, class_weight: str | None) -> None:
    X, y = blobs(weights=[0.6, 0.2, 0.2])
    kind = {"kernel": "linear", "C": 0.01} if name == "linear-svm" else {}
    machine = SVC(**kind, class_weight=class_weight, break_ties=True)
    plain = make_pipeline(StandardScaler(), machine).fit(X[:100], y[:100])
    head = made(name, class_weight=class_weight).fit(X[:100], y[:100])
    np.testing.assert_array_equal(head.predict(X[100:]), plain.predict(X[100:]))


@pytest.mark.parametrize("name", ["svm", "linear-svm"])
def test_a_weight_of_two_is_an_utterance_twice(name: str) -> None:
    X, y = blobs()
    times = np.random.default_rng(0).integers(1, 3, len(y))
    weighted = made(name).fit(X, y, sample_weight=times)
    repeated = made(name).fit(X.repeat(times, 0), y.repeat(times))
    scores = [
        head[-1].calibrated_classifiers_[0].estimator.decision_function(head[0].transform(X))
        for head in (weighted, repeated)
    ]
    np.testing.assert_allclose(*scores, atol=0.03)  # libsvm stops early


def test_an_utterance_without_weight_is_no_part_of_the_forest() -> None:
    X, y = blobs()
    kept = np.random.default_rng(0).random(len(y)) < 0.7
    weighted = made("forest").fit(X, y, sample_weight=kept.astype(float))
    without = made("forest").fit(X[kept], y[kept])
    np.testing.assert_allclose(weighted.predict_proba(X), without.predict_proba(X))


@pytest.mark.parametrize("name", TREES)
def test_balanced_classes_are_weights_of_utterances(name: str) -> None:
    X, y = blobs(weights=[0.6, 0.2, 0.2])
    seen, new, labels = X[:100], X[100:], y[:100]
    by_class = made(name, class_weight="balanced").fit(seen, labels)
    weights = compute_sample_weight("balanced", labels)
    by_utterance = made(name).fit(seen, labels, sample_weight=weights)
    expected = by_utterance.predict_proba(new)
    np.testing.assert_allclose(by_class.predict_proba(new), expected)
    assert not np.allclose(made(name).fit(seen, labels).predict_proba(new), expected)


@pytest.mark.parametrize("name", TREES)
def test_the_seed_of_the_run_decides_trees(make_cache, name: str) -> None:
    cache = make_cache(separation=1.0)
    one, same, other = (
        evaluate(Options(cache=cache, head=name, seed=seed, folds=2)).result.output
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    data = load(Options(cache=cache, head=name))
    heads = [new_head(Options(cache=cache, head=name, seed=seed), data) for seed in (1, 2)]
    assert [head.get_params()["random_state"] for head in heads] == [1, 2]
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", WEIGHTED)
def test_they_clone_and_search(name: str) -> None:
    X, y = blobs()
    parameter = {
        "svm": "machine__estimator__C",
        "linear-svm": "machine__estimator__C",
        "forest": "n_estimators",
        "boosting": "max_iter",
    }[name]
    search = GridSearchCV(made(name), {parameter: [1, 10]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.4
    assert clone(search.best_estimator_).get_params()[parameter] in (1, 10)


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("what", ["child", "feature"])
def test_forged_trees_are_refused(name: str, what: str) -> None:
    X, y = blobs()
    head = made(name).fit(X, y)
    check_trees(head)
    if name == "forest":
        tree = head.estimators_[7].tree_
        forged = {"child": tree.children_right, "feature": tree.feature}[what]
    else:
        nodes = head._predictors[7][1].nodes
        forged = nodes[{"child": "right", "feature": "feature_idx"}[what]]
    forged[0] = 0 if what == "child" else 20  # the root is its own child: without an end
    with pytest.raises(ValueError, match="not below its parent" if what == "child" else "feature"):
        check_trees(head)


def test_a_model_with_a_forged_tree_is_refused(cache, tmp_path) -> None:
    model = train(Options(cache=cache, head="forest"), scored=False)
    model.head.estimators_[0].tree_.feature[0] = 10_000
    model.save(tmp_path / "model")
    with pytest.raises(ModelError, match=r"head\.skops: refused: a tree uses a feature beyond"):
        Model.load(tmp_path / "model")
