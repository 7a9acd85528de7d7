"""Smoothing, compared with its formula over the history."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classify.inference.stream.smoothing import FORGOTTEN, Smoothing

SHARES = st.floats(0, 1)


@given(st.lists(st.tuples(st.floats(0.01, 2.0), st.none() | SHARES), min_size=1, max_size=40))
def test_smoothing_is_a_mean_weighted_by_age(steps: list) -> None:
    half_life, time, last = 1.5, 0.0, None
    smoothing, times, answers = Smoothing(half_life), [], []
    for step, share in steps:
        time += step
        found = smoothing(time, None if share is None else {"a": share, "b": 1 - share})
        if last is not None and share is None and time - last > FORGOTTEN * half_life:
            times, answers = [], []  # forgotten
        if share is not None:
            last = time
            times.append(time)
            answers.append(share)
        if not answers:
            assert found is None
            continue
        weights = 2 ** (-(time - np.array(times)) / half_life)
        expected = np.average(answers, weights=weights)
        assert found == pytest.approx({"a": expected, "b": 1 - expected}, abs=1e-9)


def test_it_holds_in_a_pause_and_gives_way_the_sooner() -> None:
    at_once, later = Smoothing(1.0), Smoothing(1.0)
    for smoothing in (at_once, later):
        smoothing(0.0, {"a": 1.0})
        assert smoothing(0.5, {"a": 1.0}) == {"a": 1.0}
    assert later(3.5, None) == {"a": 1.0}
    quick, slow = later(4.0, {"a": 0.0}), at_once(1.0, {"a": 0.0})
    assert quick is not None
    assert slow is not None
    assert quick["a"] < slow["a"] / 4
    assert Smoothing(1.0)(1.0, None) is None


def test_no_half_life_no_smoothing() -> None:
    smoothing = Smoothing(0)
    assert smoothing(1.0, {"a": 0.25}) == {"a": 0.25}
    assert smoothing(1.5, {"a": 0.75}) == {"a": 0.75}
    assert smoothing(2.0, None) is None
