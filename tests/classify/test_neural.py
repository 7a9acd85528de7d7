"""The neural heads are estimators like any other, learn what they are meant to, and many at once
learn what each would alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from classify.heads.neural import (
    GRU,
    MLP,
    Attention,
    GRURegressor,
    MLPRegressor,
    NeuralClassifier,
    NeuralRegressor,
    Transformer,
    networks,
    training,
)
from classify.heads.neural.base import NeuralHead
from classify.heads.neural.early_stopping import held_out
from classify.heads.neural.noise import Noise
from classify.heads.neural.optimizer import MAX_GRADIENT_NORM, AdamW
from classify.heads.neural.stacked import BiGRU, LayerNorm, Linear, initialise

Arrays = tuple[np.ndarray, np.ndarray]
SMALL = {"hidden": 8, "random_state": 0}
HEADS = [
    MLP(layers=2, **SMALL),
    GRU(layers=2, axis="layer", **SMALL),
    Attention(layers=2, axis="layer", **SMALL),
    Transformer(layers=2, axis="layer", **SMALL),
]
SEQUENTIAL = [GRU, Attention, Transformer]
NETWORKS = [networks.Recurrent, networks.Attentive, networks.Transformer]


def expected_failures(head: NeuralHead) -> dict[str, str]:
    failures = {
        "check_sample_weight_equivalence_on_dense_data": "batches are drawn from other rows"
    }
    if head.sequential and head.axis == "time":
        failures["check_estimators_pickle"] = "NaN means padding, and that comes last"
    if isinstance(head, NeuralRegressor):
        failures["check_supervised_y_2d"] = "a column is one target, and comes back as a column"
        failures["check_methods_subset_invariance"] = "float32 rounds by the size of a product"
    return failures


@parametrize_with_checks(
    [
        # one of each kind: the networks differ, and the estimators around them do not
        MLP(epochs=15, hidden=16, learning_rate=1e-2),
        GRU(epochs=8, hidden=8, learning_rate=2e-2),
        # batches of 8: in one batch of all, the order of rows does not matter but for rounding
        MLPRegressor(epochs=20, hidden=16, learning_rate=3e-2, dropout=0.0, batch_size=8),
    ],
    expected_failed_checks=expected_failures,
)
def test_is_a_scikit_learn_estimator(estimator: NeuralHead, check) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def blobs() -> Arrays:
    """Two layers of four features, three classes."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    return (rng.normal(size=(90, 8)) + 2 * rng.normal(size=(3, 8))[y]).astype(np.float32), y


def ragged(rng: np.random.Generator, rows: int, steps: int, width: int) -> np.ndarray:
    """(row, step · width) with NaN after a random number of steps."""
    X = rng.normal(size=(rows, steps, width)).astype(np.float32)
    X[np.arange(steps) >= rng.integers(1, steps + 1, rows)[:, None]] = np.nan
    return X.reshape(rows, -1)


def agree(one: NeuralHead, other: NeuralHead, X: np.ndarray) -> None:
    """Both have learned the same, but for rounding, which AdamW makes larger where a parameter
    does not matter."""
    assert one.epoch_ == other.epoch_
    assert one.history_.keys() == other.history_.keys()
    ask = "predict_proba" if hasattr(one, "predict_proba") else "predict"
    np.testing.assert_allclose(getattr(one, ask)(X), getattr(other, ask)(X), rtol=2e-3, atol=2e-4)


@settings(max_examples=12)
@given(
    data=st.data(), head=st.sampled_from([MLP, *SEQUENTIAL]), patience=st.sampled_from([None, 2])
)
def test_all_folds_at_once_are_fold_by_fold(data, head: type[NeuralHead], patience) -> None:
    """Batched = sequential: parts of different sizes, seeds, mixup, early stopping, padding."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    number, y = 47, np.arange(47) % 3
    time = head is not MLP and data.draw(st.booleans())
    X = ragged(rng, number, 4, 6) if time else rng.normal(size=(number, 24)).astype(np.float32)
    layout = {"steps": 4} if time else {"layers": 4, "axis": "layer"}
    mixup = data.draw(st.sampled_from([0.0, 0.3]))
    speakers = rng.integers(0, 6, number)
    train = np.stack([speakers != speaker for speaker in range(4)])
    model = head(**layout, hidden=8, epochs=4, patience=patience, mixup=mixup, batch_size=8)
    seeds = [3, 3, 4, 5]
    together = model.fit_folds(X, y, train, seeds, groups=speakers)
    for rows, seed, fitted in zip(train, seeds, together, strict=True):
        alone = clone(model).set_params(random_state=seed)
        agree(fitted, alone.fit(X[rows], y[rows], groups=speakers[rows]), X)


def test_all_folds_of_a_regression_are_fold_by_fold() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), rng.normal(size=(40, 2)) * [1, 50] + [3, 0]
    train = np.arange(40) % 4 != np.arange(4)[:, None]
    model = GRURegressor(layers=2, axis="layer", hidden=8, epochs=3)
    for rows, fitted in zip(train, model.fit_folds(X, y, train, [1] * 4), strict=True):
        alone = clone(model).set_params(random_state=1).fit(X[rows], y[rows])
        agree(fitted, alone, X)


@pytest.mark.parametrize("head", HEADS, ids=["mlp", "gru", "attention", "transformer"])
def test_same_seed_same_bytes_and_global_state_untouched(
    head: NeuralClassifier, blobs: Arrays
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


@pytest.mark.parametrize("head", HEADS, ids=["mlp", "gru", "attention", "transformer"])
def test_looking_at_held_out_data_changes_nothing(head: NeuralClassifier, blobs: Arrays) -> None:
    X, y = blobs
    train = (np.arange(90) < 60)[None]
    (plain,) = head.fit_folds(X, y, train, [0])
    (watched,) = head.fit_folds(X, y, train, [0], watch=~train)
    np.testing.assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))
    scores = ("loss", "accuracy", "uar")
    assert set(plain.history_) == {f"train_{score}" for score in scores}
    assert set(watched.history_) == {f"{p}_{s}" for p in ("train", "heldout") for s in scores}
    assert {len(curve) for curve in watched.history_.values()} == {head.epochs}
    assert watched.history_["heldout_accuracy"][-1] == pytest.approx(
        watched.score(X[60:], y[60:]), abs=1e-6
    )


def test_training_ends_at_the_least_loss_on_those_held_out(blobs: Arrays) -> None:
    X, y = blobs
    y = np.random.default_rng(0).permutation(y)  # nothing to learn: the loss soon rises
    head = MLP(epochs=60, patience=4, learning_rate=1e-2, random_state=0)
    head.fit(X, y, groups=np.arange(90) // 9)
    loss = head.history_["stop_loss"]
    assert len(loss) == head.epoch_ + 4 < 60
    assert int(np.argmin(loss)) + 1 == head.epoch_


@given(
    seed=st.integers(0, 1000),
    speakers=st.integers(1, 12),
    classes=st.integers(1, 5),
    number=st.integers(1, 60),
)
def test_whole_speakers_are_held_out_and_no_class_is_lost(
    seed: int, speakers: int, classes: int, number: int
) -> None:
    rng = np.random.default_rng(seed)
    y, speaker = rng.integers(0, classes, number), rng.integers(0, speakers, number)
    out = held_out(y, speaker, seed)
    assert not set(speaker[out]) & set(speaker[~out])
    assert set(y[~out]) == set(y)
    np.testing.assert_array_equal(out, held_out(y, speaker, seed))


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
    raw = clone(head).set_params(standardize=False).fit(stretched, y)
    assert not np.allclose(plain, raw.predict_proba(stretched), atol=0.1)


def test_constant_features_do_not_hurt(blobs: Arrays) -> None:
    X, y = blobs
    X = np.hstack([X, np.full((len(X), 4), 0.1, np.float32)])
    assert MLP(random_state=0).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("head", [MLP, *SEQUENTIAL])
def test_mix_finds_the_informative_layer(head: type[NeuralClassifier]) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    layers = rng.normal(size=(200, 3, 5))
    layers[:, 1, 0] += 4 * y
    fitted = head(layers=3, hidden=16, epochs=60, learning_rate=1e-2, random_state=0)
    fitted.fit(layers.reshape(200, -1), y)
    assert fitted.layer_weights_.argmax() == 1
    assert fitted.layer_weights_.sum() == pytest.approx(1)


@pytest.mark.parametrize("head", [Attention, Transformer])
def test_attention_finds_the_informative_step(head: type[NeuralClassifier]) -> None:
    rng = np.random.default_rng(0)
    y, place = np.arange(300) % 2, rng.integers(0, 5, 300)
    X = rng.normal(size=(300, 6, 4)) / 4
    X[np.arange(300), place, 0] += 3
    X[np.arange(300), place, 1] += np.where(y, 3, -3)
    X[:, 5] = np.nan
    fitted = head(steps=6, hidden=16, epochs=80, learning_rate=1e-2, dropout=0.1, random_state=0)
    fitted.fit(X.reshape(300, -1), y)
    weights = fitted.attention(X.reshape(300, -1))
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    assert (weights[:, 5] == 0).all()
    assert (weights.argmax(1) == place).mean() > 0.9
    assert GRU(epochs=1).fit(X[:, 0], y).attention(X[:, 0]) is None


def test_sample_weights_count(blobs: Arrays) -> None:
    X, y = blobs
    weight = np.where(y == 0, 1.0, 0.0)
    head = MLP(random_state=0, epochs=60).fit(X, y, sample_weight=weight)
    assert (head.predict(X) == 0).all()


def test_balancing_is_weighting_by_class() -> None:
    rng = np.random.default_rng(0)
    y = (np.arange(120) % 6 == 0).astype(int)
    X = (rng.normal(size=(120, 4)) + y[:, None]).astype(np.float32)
    weight = np.where(y, 120 / (2 * 20), 120 / (2 * 100))
    head = MLP(epochs=5, random_state=0, standardize=False)
    balanced = clone(head).set_params(class_weight="balanced").fit(X, y)
    np.testing.assert_allclose(
        balanced.predict_proba(X), head.fit(X, y, sample_weight=weight).predict_proba(X), rtol=1e-4
    )


@pytest.mark.parametrize("kind", NETWORKS)
def test_masked_equals_unpadded(kind: type[networks.Network]) -> None:
    """A ragged batch is each utterance alone, without any padding."""
    network = kind(2, 3, 5, 8, 4, 0.5)
    initialise(network, [0, 1])
    utterances = [torch.randn(2, 1, 3, steps, 5) for steps in (5, 1, 3)]
    x = torch.cat([nn.functional.pad(u, (0, 0, 0, 5 - u.shape[3])) for u in utterances], 1)
    mask = (torch.arange(5) < torch.tensor([[5], [1], [3]])).expand(2, -1, -1)
    together, weights = network(x, mask), network.attention(x, mask)
    for row, alone in enumerate(utterances):
        whole = torch.ones(2, 1, alone.shape[3], dtype=torch.bool)
        torch.testing.assert_close(together[:, [row]], network(alone, whole))
        if weights is not None:
            expected = network.attention(alone, whole)
            torch.testing.assert_close(weights[:, [row], : alone.shape[3]], expected)


@pytest.mark.parametrize("head", SEQUENTIAL)
def test_padding_of_sequences_has_no_effect(head: type[NeuralClassifier]) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2, 4, 3)).astype(np.float32), np.arange(40) % 2
    X[::3, :, 2:] = np.nan
    fitted = head(layers=2, steps=4, epochs=3, **SMALL).fit(X.reshape(40, -1), y)
    longer = np.concatenate([X, np.full((40, 2, 2, 3), np.nan, np.float32)], axis=2)
    shorter = X[::3, :, :2]
    expected = fitted.predict_proba(X.reshape(40, -1))
    np.testing.assert_allclose(fitted.predict_proba(longer.reshape(40, -1)), expected, atol=1e-6)
    np.testing.assert_allclose(
        fitted.predict_proba(shorter.reshape(len(shorter), -1)), expected[::3], atol=1e-6
    )


@pytest.mark.parametrize("head", SEQUENTIAL)
def test_one_step_is_a_sequence_too(head: type[NeuralClassifier], blobs: Arrays) -> None:
    assert head(random_state=0, learning_rate=1e-2).fit(*blobs).score(*blobs) > 0.9


def test_holes_in_sequences_are_refused() -> None:
    X = np.ones((4, 6), np.float32)
    X[0, :3] = np.nan
    with pytest.raises(ValueError, match="padding"):
        GRU(steps=2).fit(X, [0, 1, 0, 1])


def test_extreme_features_are_reported() -> None:
    X = np.zeros((20, 2), np.float32)
    X[::2] = 3e38
    with pytest.raises(ValueError, match="not finite"):
        MLP(standardize=False, random_state=0).fit(X, np.arange(20) % 2)


def test_features_that_do_not_split_are_reported() -> None:
    with pytest.raises(ValueError, match="7 features cannot be split into 2 layers of 1 steps"):
        MLP(layers=2).fit(np.ones((4, 7)), [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [({"axis": "space"}, "axis='space'"), ({"axis": "layer", "steps": 2}, "got 2 steps")],
)
def test_an_axis_that_is_not_there_is_reported(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GRU(**given).fit(np.ones((4, 8)), [0, 1, 0, 1])


def test_replicas_draw_the_same_noise_as_each_alone() -> None:
    def drawn(seeds: list[int], sizes: list[int]) -> tuple[list[np.ndarray], torch.Tensor]:
        noise = Noise(seeds, torch.device("cpu"))
        noise.begin(3, training.ORDER)
        orders = noise.orders(sizes)
        noise.begin(3, training.STEPS)
        steps = []
        for _ in range(3):
            shares, masks = noise.beta(0.4)[..., None], noise.dropout(0.4, 5, 7)
            steps.append((shares * masks).expand(len(seeds), -1, -1))
        return orders, torch.stack(steps, 1)

    orders, masks = drawn([7, 8, 7], [20, 11, 13])
    for place, (seed, size) in enumerate(((7, 20), (8, 11), (7, 13))):
        (order,), (mask,) = drawn([seed], [size])
        np.testing.assert_array_equal(np.sort(orders[place]), np.arange(size))
        np.testing.assert_array_equal(orders[place], order)
        assert torch.equal(masks[place], mask)
    assert not torch.equal(masks[0], masks[1])


def test_stacked_layers_are_those_of_torch() -> None:
    torch.manual_seed(0)
    linear, gru, norm = Linear(2, 5, 3), BiGRU(2, 5, 4), LayerNorm(2, 5)
    x, mask = torch.randn(2, 6, 7, 5), torch.ones(2, 6, 7, dtype=torch.bool)
    for layer in (linear, gru):
        initialise(layer, [1, 2])
    for replica in range(2):
        plain = nn.Linear(5, 3)
        plain.weight.data, plain.bias.data = linear.weight[replica].T, linear.bias[replica, 0]
        torch.testing.assert_close(linear(x)[replica], plain(x[replica]))
        torch.testing.assert_close(norm(x)[replica], nn.LayerNorm(5)(x[replica]))
        reference = nn.GRU(5, 4, batch_first=True, bidirectional=True)
        for direction, suffix in enumerate(("l0", "l0_reverse")):
            for name, ours in (
                (f"weight_ih_{suffix}", gru.inputs[replica, direction].T),
                (f"weight_hh_{suffix}", gru.states[replica, direction].T),
                (f"bias_ih_{suffix}", gru.inputs_bias[replica, direction, 0]),
                (f"bias_hh_{suffix}", gru.states_bias[replica, direction, 0]),
            ):
                getattr(reference, name).data = ours.detach().contiguous()
        torch.testing.assert_close(gru(x, mask)[replica], reference(x[replica])[0])


def test_adamw_takes_the_steps_of_torch() -> None:
    """Of three replicas, the last of which pauses."""
    ours = Linear(3, 4, 3)
    initialise(ours, [0, 1, 2])
    theirs = [nn.Linear(4, 3) for _ in range(3)]
    for replica, other in enumerate(theirs):
        other.weight.data = ours.weight[replica].detach().T.clone()
        other.bias.data = ours.bias[replica, 0].detach().clone()
    mine = AdamW(ours, [slice(0, 2), slice(2, 3)], weight_decay=0.1)
    reference = [torch.optim.AdamW(one.parameters(), weight_decay=0.1) for one in theirs]
    for step in range(20):
        x, y = torch.randn(3, 8, 4), torch.randint(3, (3, 8))
        rates = [0.05, 0.02 if step % 2 else None]
        losses = nn.functional.cross_entropy(ours(x).flatten(0, 1), y.flatten(), reduction="none")
        (losses.reshape(3, 8).mean(1).sum()).backward()
        mine.step(rates)
        for replica, (one, optimizer) in enumerate(zip(theirs, reference, strict=True)):
            rate = rates[replica // 2]
            if rate is None:
                continue
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            nn.functional.cross_entropy(one(x[replica]), y[replica]).backward()
            nn.utils.clip_grad_norm_(one.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()
    for replica, one in enumerate(theirs):
        torch.testing.assert_close(ours.weight[replica].T, one.weight, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(ours.bias[replica, 0], one.bias, rtol=1e-4, atol=1e-6)
