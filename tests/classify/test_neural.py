"""The neural heads are estimators like any other, and learn what they are meant to."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from classify.heads.adamw import AdamW
from classify.heads.networks import Recurrent
from classify.heads.neural import GRU, MLP, NeuralHead

Arrays = tuple[np.ndarray, np.ndarray]
HEADS = [MLP(steps=2, random_state=0), GRU(steps=2, random_state=0)]


def expected_failures(head: NeuralHead) -> dict[str, str]:
    failures = {
        "check_sample_weight_equivalence_on_dense_data": "batches are drawn from other rows"
    }
    if head.get_params().get("axis") == "time":
        failures["check_estimators_pickle"] = "NaN means padding, and that comes last"
    return failures


@parametrize_with_checks(
    [
        MLP(epochs=15, hidden=16, learning_rate=1e-2),
        GRU(epochs=8, hidden=8, learning_rate=2e-2),
        GRU(epochs=8, hidden=8, learning_rate=2e-2, axis="time"),
    ],
    expected_failed_checks=expected_failures,
)
def test_is_a_scikit_learn_estimator(estimator: NeuralHead, check) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def blobs() -> Arrays:
    """Two steps of four features, three classes."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    return (rng.normal(size=(90, 8)) + 2 * rng.normal(size=(3, 8))[y]).astype(np.float32), y


@pytest.mark.parametrize("head", HEADS, ids=["mlp", "gru"])
def test_same_seed_same_probabilities_and_global_state_untouched(
    head: NeuralHead, blobs: Arrays
) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = clone(head).fit(*blobs).predict_proba(blobs[0])
    assert torch.equal(before, torch.get_rng_state())
    np.random.default_rng().normal(size=3)
    torch.rand(3)
    np.testing.assert_array_equal(one, clone(head).fit(*blobs).predict_proba(blobs[0]))
    other = clone(head).set_params(random_state=1).fit(*blobs).predict_proba(blobs[0])
    assert not np.allclose(one, other)


@pytest.mark.parametrize("head", HEADS, ids=["mlp", "gru"])
def test_looking_at_held_out_data_changes_nothing(head: NeuralHead, blobs: Arrays) -> None:
    X, y = blobs
    plain = clone(head).fit(X[:60], y[:60])
    watched = clone(head).fit(X[:60], y[:60], monitor=(X[60:], y[60:]))
    np.testing.assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))
    assert set(plain.history_) == {"train_loss", "train_accuracy"}
    assert {len(curve) for curve in watched.history_.values()} == {head.epochs}
    assert watched.history_["heldout_accuracy"][-1] == watched.score(X[60:], y[60:])


def test_works_in_pipelines_and_grids(blobs: Arrays) -> None:
    pipeline = make_pipeline(FunctionTransformer(), MLP(epochs=5, random_state=0))
    grid = GridSearchCV(pipeline, {"mlp__hidden": [4, 8]}, cv=2).fit(*blobs)
    assert grid.best_params_["mlp__hidden"] in (4, 8)


def test_scale_and_offset_of_features_do_not_matter(blobs: Arrays) -> None:
    X, y = blobs
    stretched = X * np.geomspace(1e-3, 1e3, 8, dtype=np.float32) + 5
    head = MLP(random_state=0)
    plain, other = (clone(head).fit(data, y).predict_proba(data) for data in (X, stretched))
    np.testing.assert_allclose(plain, other, atol=0.02)


def test_constant_features_do_not_hurt(blobs: Arrays) -> None:
    X, y = blobs
    X = np.hstack([X, np.full((len(X), 4), 0.1, np.float32)])
    assert MLP(random_state=0).fit(X, y).score(X, y) > 0.9


def test_mix_finds_the_step_that_knows() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    steps = rng.normal(size=(200, 3, 5))
    steps[:, 1, 0] += 4 * y
    head = MLP(steps=3, epochs=100, learning_rate=1e-2, random_state=0)
    head.fit(steps.reshape(200, -1), y)
    assert head.network_.mix.argmax() == 1


def test_sample_weights_count(blobs: Arrays) -> None:
    X, y = blobs
    weight = np.where(y == 0, 1.0, 0.0)
    head = MLP(random_state=0, epochs=60).fit(X, y, sample_weight=weight)
    assert (head.predict(X) == 0).all()


def test_masked_equals_unpadded() -> None:
    """A ragged batch through the GRU is each utterance alone, without any padding."""
    torch.manual_seed(0)
    network = Recurrent(dim=3, hidden=8, classes=2, dropout=0.5).eval()
    utterances = [torch.randn(steps, 3) for steps in (5, 1, 3)]
    x = nn.utils.rnn.pad_sequence(utterances, batch_first=True)
    mask = torch.arange(5) < torch.tensor([[5], [1], [3]])
    together = network(x, mask)
    for row, alone in enumerate(utterances):
        expected = network(alone[None], torch.ones(1, len(alone), dtype=torch.bool))[0]
        torch.testing.assert_close(together[row], expected)


def test_padding_of_sequences_is_not_seen() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4, 3)).astype(np.float32), np.arange(40) % 2
    X[::3, 2:] = np.nan
    head = GRU(steps=4, axis="time", epochs=3, random_state=0).fit(X.reshape(40, -1), y)
    longer = np.concatenate([X, np.full((40, 2, 3), np.nan, np.float32)], axis=1)
    shorter = X[::3, :2]
    expected = head.predict_proba(X.reshape(40, -1))
    np.testing.assert_allclose(head.predict_proba(longer.reshape(40, -1)), expected, atol=1e-6)
    np.testing.assert_allclose(
        head.predict_proba(shorter.reshape(len(shorter), -1)), expected[::3], atol=1e-6
    )


def test_holes_in_sequences_are_refused() -> None:
    X = np.ones((4, 6), np.float32)
    X[0, :3] = np.nan
    with pytest.raises(ValueError, match="padding"):
        GRU(steps=2, axis="time").fit(X, [0, 1, 0, 1])


def test_adamw_takes_the_steps_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(4, 3), nn.Linear(4, 3)
    theirs.load_state_dict(ours.state_dict())
    mine = AdamW(ours, weight_decay=0.1, max_norm=0.5)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(20):
        x, y = torch.randn(8, 4), torch.randint(3, (8,))
        nn.functional.cross_entropy(ours(x), y).backward()
        mine.step(0.05)
        reference.zero_grad()
        nn.functional.cross_entropy(theirs(x), y).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        reference.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)
