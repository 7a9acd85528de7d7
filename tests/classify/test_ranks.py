"""Ranks over speakers, compared with Demšar's example and with explicit formulas."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2, f

from classify.stats.ranks import average_ranks, critical_difference, friedman, groups

# Demšar 2006, table 6: AUC of C4.5, with m, with cf, with both, on 14 data sets. Of "voting" the
# last two are printed alike and ranked 2 and 3.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975 + 1e-6, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
TIES = 6 + 6 + 60 + 6  # t³ - t of iris, lung cancer, mushroom, primary tumor

# table 5a: q of the two-tailed Nemenyi test at 0.05, for 2 to 10 classifiers
Q = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]

tables = st.tuples(st.integers(2, 9), st.integers(3, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 8).map(lambda n: n / 8))
)


def ranks_by_hand(scores: np.ndarray) -> np.ndarray:
    """One more than those above, and half of those that are equal."""
    above = (scores[:, None, :] > scores[:, :, None]).sum(2)
    equal = (scores[:, None, :] == scores[:, :, None]).sum(2)
    return 1 + above + (equal - 1) / 2


def test_demsar_s_example() -> None:
    ranks = average_ranks(DEMSAR)
    np.testing.assert_allclose(ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    found = friedman(DEMSAR)
    uncorrected = found.statistic * (1 - TIES / (14 * 4 * 15))
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    assert 13 * uncorrected / (14 * 3 - uncorrected) == pytest.approx(3.69, abs=0.005)
    assert found.F_freedom == (3, 39)
    assert critical_difference(speakers=14, heads=4) == pytest.approx(1.25, abs=0.005)
    assert groups(ranks, critical_difference(14, 4)) == [[3, 1, 2, 0]]  # no two differ at 0.05


@pytest.mark.parametrize("heads", range(2, 11))
def test_critical_difference_is_that_of_the_printed_table(heads: int) -> None:
    expected = Q[heads - 2] * np.sqrt(heads * (heads + 1) / (6 * 12))
    assert critical_difference(speakers=12, heads=heads) == pytest.approx(expected, rel=5e-4)


@given(tables)
def test_friedman_by_hand(scores: np.ndarray) -> None:
    speakers, heads = scores.shape
    ranks = ranks_by_hand(scores)
    np.testing.assert_allclose(average_ranks(scores), ranks.mean(0))
    found = friedman(scores)
    sums = 12 * speakers / (heads * (heads + 1))
    plain = sums * ((ranks.mean(0) ** 2).sum() - heads * (heads + 1) ** 2 / 4)
    sizes = [np.unique(row, return_counts=True)[1] for row in scores]
    ties = sum((size**3 - size).sum() for size in sizes)
    share = 1 - ties / (speakers * heads * (heads**2 - 1))
    if share == 0:
        assert (found.statistic, found.p, found.F_p) == (0, 1, 1)
        return
    expected = plain / share
    assert found.statistic == pytest.approx(expected, abs=1e-9)
    assert found.p == pytest.approx(chi2.sf(expected, heads - 1), abs=1e-9)
    if found.F is None:
        assert expected == pytest.approx(speakers * (heads - 1))
        return
    by_hand = (speakers - 1) * expected / (speakers * (heads - 1) - expected)
    np.testing.assert_allclose(found.F, by_hand, atol=1e-6, rtol=1e-4)
    np.testing.assert_allclose(found.F_p, f.sf(by_hand, *found.F_freedom), atol=1e-6)


@given(tables, st.floats(0.1, 3))
def test_groups_contain_all_indistinguishable_pairs(scores: np.ndarray, apart: float) -> None:
    ranks = average_ranks(scores)
    found = groups(ranks, apart)
    near = {
        frozenset(pair)
        for pair in combinations(range(len(ranks)), 2)
        if abs(ranks[pair[0]] - ranks[pair[1]]) < apart
    }
    assert {frozenset(pair) for group in found for pair in combinations(group, 2)} == near
    assert not any(set(a) < set(b) for a in found for b in found)


def test_rounding_is_no_difference() -> None:
    scores = np.array([[0.1 + 0.2, 0.3, 0.2], [0.7, 0.7, 0.1]])
    np.testing.assert_array_equal(average_ranks(scores), [1.5, 1.5, 3])


def test_all_in_the_same_order_have_no_finite_F() -> None:
    found = friedman(np.array([[0.9, 0.5, 0.1]] * 6))
    assert (found.statistic, found.F, found.F_p) == (12, None, 0)
