"""Intervals and tests over speakers, compared with explicit loops."""

import warnings
from itertools import product

import error_rates as simulation
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from classify.stats import best, interval
from classify.stats import intervals as of
from classify.stats.agreement import ccc
from classify.stats.metrics import confusion, uar
from classify.stats.tests import permutation_test, uar_shares

CLASSES = 3
SCIKIT = {
    "uar": balanced_accuracy_score,
    "accuracy": accuracy_score,
    "f1_macro": lambda y, prediction: f1_score(y, prediction, average="macro"),
    "f1_weighted": lambda y, prediction: f1_score(y, prediction, average="weighted"),
}


def drawn(sizes: tuple[int, ...], seed: int = 0) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Truths of speakers who have every class, and what two layers predict."""
    rng = np.random.default_rng(seed)
    truth = [np.repeat(np.arange(CLASSES), size) for size in sizes]
    layers = [
        [np.where(rng.random(len(y)) < right, y, rng.integers(0, CLASSES, len(y))) for y in truth]
        for right in (0.7, 0.5)
    ]
    return truth, layers


def counts_of(truth: list[np.ndarray], layers: list[list[np.ndarray]]) -> np.ndarray:
    """(speaker, layer, truth, prediction)"""
    return np.array(
        [
            [confusion(y, layer[speaker], CLASSES) for layer in layers]
            for speaker, y in enumerate(truth)
        ]
    )


@pytest.fixture
def answers():
    """Five speakers, as (speaker, utterance) and (layer, speaker, utterance)."""
    truth, layers = drawn((4,) * 5)
    return np.array(truth), np.array(layers)


def freedom(shares: np.ndarray) -> float:
    """From the matrix of the jackknife's variance as a quadratic form of the speakers' scores."""
    k = len(shares)
    centre = np.eye(k) - np.outer(np.ones(k), shares)
    form = centre.T @ np.diag((shares / (1 - shares)) ** 2) @ centre
    return (k - 1 + np.trace(form) ** 2 / np.trace(form @ form)) / 2


@pytest.mark.parametrize("sizes", [(4,) * 6, (2, 9, 4, 5), (1, 2, 3, 4, 5, 6, 7)])
@pytest.mark.parametrize("score", SCIKIT)
def test_an_interval_leaves_every_speaker_out(score: str, sizes: tuple[int, ...]) -> None:
    truth, layers = drawn(sizes)
    counts = counts_of(truth, layers)
    low, high = interval(counts, score)
    speakers = range(len(sizes))
    for number, layer in enumerate(layers):
        value = SCIKIT[score](np.concatenate(truth), np.concatenate(layer))
        left_out = [
            SCIKIT[score](
                np.concatenate([truth[s] for s in speakers if s != out]),
                np.concatenate([layer[s] for s in speakers if s != out]),
            )
            for out in speakers
        ]
        variance = (len(sizes) - 1) / len(sizes) * np.sum((np.array(left_out) - value) ** 2)
        n = value * (1 - value) / variance
        t = student.ppf(0.975, freedom(np.array(sizes) / sum(sizes)))
        roots = np.roots([1 + t**2 / n, -(2 * value + t**2 / n), value**2])  # Wilson's inequality
        np.testing.assert_allclose(sorted(roots), [low[number], high[number]])
        assert interval(counts[:, number], score) == pytest.approx((low[number], high[number]))


def test_a_function_is_a_score_too(answers) -> None:
    counts = counts_of(*answers)
    np.testing.assert_array_equal(interval(counts, uar), interval(counts, "uar"))


@given(st.lists(st.floats(0.01, 100), min_size=4, max_size=30))
def test_unequal_speakers_have_fewer_degrees_of_freedom(sizes: list[float]) -> None:
    shares = np.array(sizes) / sum(sizes)
    found = of.degrees_of_freedom(shares)
    assert 0 < found <= len(sizes) - 1 + 1e-6
    if shares.max() < 0.9:
        assert found == pytest.approx(freedom(shares))


def test_chunks_do_not_show(answers, monkeypatch) -> None:
    counts = counts_of(*answers)
    whole = interval(counts), permutation_test(uar_shares(np.repeat(counts, 4, 0)), 500, 1)
    monkeypatch.setattr("classify.stats.intervals.CHUNK", 40)
    np.testing.assert_allclose(interval(counts), whole[0])
    monkeypatch.setattr("classify.stats.tests.CHUNK", 400)
    np.testing.assert_allclose(
        permutation_test(uar_shares(np.repeat(counts, 4, 0)), 500, 1), whole[1], atol=0.08
    )


def test_below_four_speakers_there_is_no_interval(answers) -> None:
    counts = counts_of(*answers)
    counts[3:] = 0  # speakers without utterances do not count
    with pytest.warns(RuntimeWarning, match="fewer than 4 of 5 speakers"):
        assert np.isnan(interval(counts)).all()
    assert of.as_json(of.of_score(counts[:, 0])) is None
    assert np.isnan(of.of_difference(counts)).all()


@pytest.mark.parametrize("right", [0, 1])
def test_where_nothing_varies_utterances_count(right: int) -> None:
    counts = np.zeros((5, 2, 2), int)
    counts[:, 0, 1 - right] = counts[:, 1, right] = 8
    low, high = interval(counts)
    assert (low, high) == pytest.approx((0.9, 1) if right else (0, 0.1), abs=0.1)
    assert low < high


def test_a_class_that_one_speaker_alone_has_stays(answers) -> None:
    truth, layers = answers
    counts = counts_of(truth, layers)
    counts[1:, :, 2] = 0
    low, high = interval(counts)
    assert ((low < uar(counts.sum(0))) & (uar(counts.sum(0)) < high)).all()


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        (np.ones((5, 2)), {}, r"got counts \(5, 2\)"),
        (np.ones((5, 2, 3)), {}, "expected \\(speaker, truth, prediction\\)"),
        (-np.ones((5, 2, 2)), {}, "below 0"),
        (np.full((5, 2, 2), np.nan), {}, "not finite"),
        (np.ones((5, 2, 2)), {"score": "kappa"}, "one of uar, accuracy"),
        (np.ones((5, 2, 2)), {"level": 95}, "such as 0.95"),
    ],
)
def test_invalid_counts_are_refused(counts, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        interval(counts, **options)


def test_a_difference_is_paired_by_speaker(answers) -> None:
    """Where both intervals are symmetric, it is θ ± t s / √(k - 1), s of the paired differences."""
    rng = np.random.default_rng(3)
    skill = rng.uniform(0.4, 0.6, (24, 1))
    hits = rng.binomial(400, skill + np.array([0.02, -0.02]))
    counts = np.stack([hits, 400 - hits, 400 - hits, hits], -1).reshape(24, 2, 2, 2)
    low, high = of.of_difference(counts)
    apart = (hits[:, 0] - hits[:, 1]) / 400
    half = student.ppf(0.975, 23) * apart.std(ddof=1) / 23**0.5
    assert (low, high) == pytest.approx((apart.mean() - half, apart.mean() + half), abs=1e-3)
    assert high - low < 0.5 * np.diff(interval(counts), axis=0).max()
    np.testing.assert_allclose(of.of_difference(counts[:, ::-1]), (-high, -low))


def test_equal_predictions_do_not_differ(answers) -> None:
    counts = counts_of(*answers)
    low, high = of.of_difference(counts[:, [0, 0]])
    assert -0.2 < low <= 0 <= high < 0.2


def test_where_every_speaker_is_a_class_the_classes_are_left_out() -> None:
    rng = np.random.default_rng(1)
    y, prediction = np.repeat(np.arange(6), 8), rng.integers(0, 6, 48)
    prediction[::2] = y[::2]
    counts = confusion(y, prediction, 6)
    recalls, f1s = recall_score(y, prediction, average=None), f1_score(y, prediction, average=None)
    for score, parts in (("uar", recalls), ("accuracy", recalls), ("f1_macro", f1s)):
        low, high = of.of_classes(counts, score)
        value, variance = parts.mean(), parts.var(ddof=1) / 6
        n, t = value * (1 - value) / variance, student.ppf(0.975, 5)
        roots = np.roots([1 + t**2 / n, -(2 * value + t**2 / n), value**2])
        np.testing.assert_allclose(sorted(roots), [low, high], rtol=1e-6)


def test_the_interval_of_ccc_leaves_every_speaker_out() -> None:
    rng = np.random.default_rng(0)
    speaker = rng.integers(0, 6, 90)
    truth = rng.normal(3, 1, (90, 2)) + rng.normal(size=(6, 1))[speaker]
    prediction = truth + rng.normal(size=(90, 2))
    low, high = of.of_ccc(truth, prediction, speaker)
    left_out = np.array([ccc(truth[speaker != s], prediction[speaker != s]) for s in range(6)])
    left_out = np.column_stack([left_out, left_out.mean(1)])
    value = np.append(ccc(truth, prediction), ccc(truth, prediction).mean())
    error = np.sqrt(5 / 6 * ((left_out - value) ** 2).sum(0)) / (1 - value**2)
    t = student.ppf(0.975, freedom(np.bincount(speaker) / 90))
    np.testing.assert_allclose(low, np.tanh(np.arctanh(value) - t * error))
    np.testing.assert_allclose(high, np.tanh(np.arctanh(value) + t * error))


def test_p_is_the_share_of_exchanges_that_differ_as_much(answers) -> None:
    truth, prediction = answers
    y = truth.ravel()

    def difference(exchange) -> float:
        one, other = (
            np.array([prediction[layer ^ swap, s] for s, swap in enumerate(exchange)]).ravel()
            for layer in (0, 1)
        )
        return balanced_accuracy_score(y, one) - balanced_accuracy_score(y, other)

    observed = abs(difference([0] * 5))
    as_much = [abs(difference(e)) >= observed - 1e-12 for e in product((0, 1), repeat=5)]
    shares = uar_shares(counts_of(truth, prediction))
    assert shares.sum(0)[0] == pytest.approx(balanced_accuracy_score(y, prediction[0].ravel()))
    assert permutation_test(shares[:, 0] - shares[:, 1], 100, 0) == pytest.approx(np.mean(as_much))


def test_random_exchanges_come_near_to_all() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.5, 1, (13, 4))
    exact = permutation_test(differences, 0, 0)
    zeros = np.zeros((1, 4))  # a fourteenth speaker, who changes nothing
    drawn = permutation_test(np.vstack([differences, zeros]), 20_000, 0)
    np.testing.assert_allclose(drawn, exact, atol=0.015)
    assert (permutation_test(np.ones((40, 1)), 99, 0) == 0.01).all()  # never 0


def test_p_is_uniform_where_nothing_differs() -> None:
    rng = np.random.default_rng(0)
    p = permutation_test(rng.normal(size=(10, 2000)), 0, 0)
    assert abs((p <= 0.05).mean() - 0.05) < 0.015


@pytest.mark.parametrize("scenario", simulation.SCENARIOS, ids=lambda scenario: scenario.name)
def test_intervals_hold_the_true_score_as_often_as_they_promise(scenario) -> None:
    """A sample of ``tests/torture/error_rates.py``; the percentile bootstrap covers about 0.8."""
    random = np.random.default_rng(5)
    true = simulation.true_uar(scenario, random)
    counts = simulation.draw(scenario, 6, 1200, random)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # some studies have no interval
        assert 0.93 <= simulation.covered(*interval(counts), true) <= 0.985


def test_one_of_equal_layers_is_rarely_declared_worse() -> None:
    """A sample of ``tests/torture/error_rates.py``; the best against the others by Holm: 0.1."""
    random = np.random.default_rng(6)
    studies = [simulation.layers((10,), np.full(13, 0.5), 0.8, random) for _ in range(400)]
    worse = sum(len(best(counts).equals) < 13 for counts in studies)
    assert worse <= 0.075 * 400  # 0.05 and two deviations of 400 studies


def test_layers_that_differ_are_distinguished() -> None:
    random = np.random.default_rng(7)
    quality = np.r_[np.full(5, 0.5), 0.75, 0.75, np.full(6, 0.5)]
    found = best(simulation.layers((12,), quality, 0.5, random))
    assert found.equals == [5, 6]
    assert found.index in found.equals
    assert found.p[found.index] == 1
    assert found.difference[found.index] == 0


@given(st.integers(2, 16), st.integers(1, 8), st.integers(0, 1000))
def test_the_order_of_the_layers_does_not_matter(speakers: int, layers: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = simulation.layers((speakers,), random.uniform(0.3, 0.9, layers), 0.5, random)
    order = random.permutation(layers)
    found, again = best(counts, draws=200), best(counts[:, order], draws=200)
    if (
        len(np.unique(uar(counts.sum(0)).round(12))) == layers
    ):  # else equal layers are removed in their order
        np.testing.assert_allclose(again.p, found.p[order])
        assert order[again.index] == found.index
    assert found.index in found.equals
    scores = uar(counts.sum(0)).round(12)
    assert scores[found.index] == scores.max()
    assert found.smallest_p <= found.p.min()


def test_few_speakers_do_not_distinguish_layers() -> None:
    counts = np.zeros((4, 2, 2, 2), int)
    counts[:, 0] = np.diag([20, 20])
    counts[:, 1] = [[0, 20], [20, 0]]
    found = best(counts)
    assert found.equals == [0, 1]
    assert found.smallest_p == found.p[1] == 0.125
