"""A fit that does not converge raises an error, and C is bounded to what float64 can fit."""

from pathlib import Path

import numpy as np
import pytest

from classify.commands.evaluate import main
from classify.commands.probe import main as probe
from classify.evaluation.run import evaluate
from classify.heads import LEAST_C, MOST_C, classical
from classify.heads.linear import LDA, Ridge, SoftmaxRegression
from classify.heads.linear import logistic as softmax
from classify.heads.linear.batched import Problems, log_probabilities
from classify.models.train import train
from classify.options import Options
from classify.probing.options import ProbeOptions
from classify.probing.study import probe as probed
from classify.training_options import TrainingOptions
from data.errors import HeadError, UsageError


@pytest.mark.parametrize("C", ["1e300", "1e9", "1e-9", "0", "-1", "nan", "inf"])
def test_C_out_of_range_is_a_usage_error(C: str) -> None:
    message = r"--C .*: expected 1e-08 to 1e\+08"
    for command in (main, probe):
        with pytest.raises(UsageError, match=message):
            command(["--head", "logreg", "--cache", "none.h5", "--C", C])
    for options in (Options, ProbeOptions):
        with pytest.raises(UsageError, match=message):
            options(head="ridge", C=float(C))


def test_estimators_and_batches_refuse_the_same() -> None:
    X, y = np.eye(4), np.array([0, 1, 0, 1])
    for head in (SoftmaxRegression(C=1e300), Ridge(C=1e300), LDA(C=1e300)):
        with pytest.raises(ValueError, match=r"C = 1e\+300: expected a number from 1e-08"):
            head.fit(X, y)
    with pytest.raises(ValueError, match=r"C = 1e\+300: expected a number from 1e-08"):
        Problems(np.ones((1, 4), bool), y, 2, 1e300)


def studies():
    """Features (utterance, dim) and classes: separable, not, collinear, with an outlier."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 60)
    wide, narrow = random.normal(size=(60, 100)), random.normal(size=(60, 4))
    collinear = np.column_stack([narrow, narrow[:, 0] * (1 + 1e-6), narrow[:, 1] + narrow[:, 2]])
    outlier = wide.copy()
    outlier[0] *= 1e5
    found = {"wide": wide, "narrow": narrow, "collinear": collinear, "outlier": outlier}
    return [pytest.param(X.astype(np.float32), y, id=name) for name, X in found.items()]


@pytest.mark.parametrize("head", ["logreg", "ridge", "lda"])
@pytest.mark.parametrize(("X", "y"), studies())
def test_every_C_in_range_converges(head: str, X: np.ndarray, y: np.ndarray) -> None:
    C = np.geomspace(LEAST_C, MOST_C, 9)
    train = np.tile(np.arange(60) % 4 > 0, (len(C), 1))
    found = np.exp(log_probabilities(head, X, Problems(train, y, 3, C)))
    np.testing.assert_allclose(found.sum(2), 1, rtol=1e-5)
    if head == "logreg":  # the more C, the closer to the training labels
        right = found[:, train[0], :][:, np.arange(train[0].sum()), y[train[0]]]
        likelihood = np.log(right.clip(1e-30)).sum(1)
        assert (np.diff(likelihood) > -1e-2).all()


NEVER = r"the fit does not converge with C = {C}: choose a smaller C"


def test_a_fit_that_does_not_converge_names_head_layer_and_C(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(softmax, "ITERATIONS", 2)
    options = Options(cache=cache, head="logreg", layer=1, C=10.0)
    never = NEVER.format(C=10)
    with pytest.raises(HeadError, match=r"^logreg on layer 1, mean \+ std: " + never):
        evaluate(options)
    with pytest.raises(HeadError, match=r"^logreg on layer 1, mean \+ std: " + never):
        train(options)
    with pytest.raises(HeadError, match=r"^logreg on mean of the layers: the fit does not conv"):
        train(Options(cache=cache, head="logreg", poolings=("std",)))
    with pytest.raises(HeadError, match="^logreg on layer 0: " + never):
        probed(ProbeOptions(cache=cache, targets=("emotion",), quick=True, C=10.0))
    given = ["--cache", str(cache), "--head", "logreg", "--C", "10", "--out", str(tmp_path / "run")]
    with pytest.raises(HeadError, match=r"^logreg on mean of layers 0–2, mean \+ std: " + never):
        main(given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("head", ["svm", "linear-svm"])
def test_support_vectors_that_are_not_found_are_named(
    make_cache, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr(classical, "MOST_STEPS", 5)
    with pytest.raises(HeadError, match=f"^{head} on mean of .*: " + NEVER.format(C=100)):
        evaluate(Options(cache=make_cache(separation=0), head=head, C=100.0), 1)


def test_a_training_that_diverges_is_named(make_cache) -> None:
    def alter(features: np.ndarray, utterance: np.ndarray, columns: dict) -> None:
        features[:, 3] = 3e38

    training = TrainingOptions(epochs=2)
    options = Options(
        cache=make_cache(alter=alter), head="mlp", normalize="none", training=training
    )
    with pytest.raises(HeadError, match=r"^mlp on all of .*: the training loss is not finite"):
        evaluate(options)
