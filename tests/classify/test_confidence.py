"""Intervals and tests over speakers, each against a loop that knows nothing of the formulas."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from classify.metrics import confusion
from classify.probe.confidence import (
    bootstrap,
    bootstrap_of_classes,
    draw_clusters,
    holm,
    interval,
    permutation_test,
    uar_shares,
)

CLASSES = 3


@pytest.fixture
def answers():
    """Five speakers with every class; truth (speaker, utterance), predictions (layer, …)."""
    rng = np.random.default_rng(0)
    truth = np.tile(np.repeat(np.arange(CLASSES), 4), (5, 1))
    right = rng.random((2, *truth.shape)) < np.array([0.7, 0.5])[:, None, None]
    return truth, np.where(right, truth, rng.integers(0, CLASSES, (2, *truth.shape)))


def counts_of(truth, said):
    """(speaker, layer, truth, prediction)"""
    return np.array(
        [
            [confusion(t, layer[speaker], CLASSES) for layer in said]
            for speaker, t in enumerate(truth)
        ]
    )


def test_the_bootstrap_draws_whole_speakers(answers) -> None:
    truth, said = answers
    found = bootstrap(counts_of(truth, said), 50, seed=3)
    for draw, times in enumerate(draw_clusters(len(truth), 50, seed=3)):
        drawn = np.repeat(np.arange(len(truth)), times)
        y = truth[drawn].ravel()
        for layer, rows in enumerate(said[:, drawn]):
            scores = {
                "uar": balanced_accuracy_score(y, rows.ravel()),
                "accuracy": accuracy_score(y, rows.ravel()),
                "f1_macro": f1_score(y, rows.ravel(), average="macro"),
            }
            for name, expected in scores.items():
                assert found[name][draw, layer] == pytest.approx(expected)


def test_chunks_of_the_bootstrap_do_not_show(answers, monkeypatch) -> None:
    counts = counts_of(*answers)
    whole = bootstrap(counts, 50, seed=0)
    monkeypatch.setattr("classify.probe.confidence.CHUNK", 100)
    for name, values in bootstrap(counts, 50, seed=0).items():
        np.testing.assert_allclose(values, whole[name])


def test_a_speaker_drawn_twice_counts_twice_among_classes() -> None:
    rng = np.random.default_rng(1)
    y, said = np.repeat(np.arange(4), 6), rng.integers(0, 4, 24)
    found = bootstrap_of_classes(confusion(y, said, 4)[None], 40, seed=5)
    recalls = recall_score(y, said, average=None)
    f1s = f1_score(y, said, average=None)
    for draw, times in enumerate(draw_clusters(4, 40, seed=5)):
        drawn = np.repeat(np.arange(4), times)
        assert found["uar"][draw, 0] == pytest.approx(np.mean([recalls[k] for k in drawn]))
        assert found["f1_macro"][draw, 0] == pytest.approx(np.mean([f1s[k] for k in drawn]))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Speakers differ, so an interval over utterances would be too narrow; one over speakers holds
    the expected accuracy nearly as often as promised (a percentile interval of few clusters is a
    little short)."""
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(150):
        able = rng.beta(6, 4, 25)
        hits = rng.binomial(40, able)
        counts = np.zeros((25, 1, 2, 2), int)
        counts[:, 0, 0, 0], counts[:, 0, 0, 1] = hits, 40 - hits
        low, high = interval(bootstrap(counts, 400, seed=trial)["accuracy"])
        covered += bool(low[0] <= 0.6 <= high[0])
    assert 0.87 < covered / 150 <= 1


def test_p_is_the_share_of_exchanges_that_differ_as_much(answers) -> None:
    truth, said = answers
    y = truth.ravel()

    def difference(exchange) -> float:
        one, other = (
            np.array([said[layer ^ swap, s] for s, swap in enumerate(exchange)]).ravel()
            for layer in (0, 1)
        )
        return balanced_accuracy_score(y, one) - balanced_accuracy_score(y, other)

    observed = abs(difference([0] * 5))
    as_much = [abs(difference(e)) >= observed - 1e-12 for e in product((0, 1), repeat=5)]
    shares = uar_shares(counts_of(truth, said))
    assert shares.sum(0)[0] == pytest.approx(balanced_accuracy_score(y, said[0].ravel()))
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


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_step_down_procedure_rejects(p: list[float]) -> None:
    """Holm's text: from the smallest on, reject while p(i) ≤ α / (m - i + 1)."""
    adjusted = holm(np.array(p))
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if p[index] * (len(p) - rank) > alpha:
                break
            rejected.add(index)
        if not any(np.isclose(adjusted, alpha)):
            assert rejected == set(np.flatnonzero(adjusted <= alpha))
