"""Columns of a cache, and numbers as text."""

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from data.cache.columns import as_text, column, number_as_text

NUMBERS = st.integers() | st.floats(allow_nan=False) | st.integers(2**53 - 9, 2**53 + 9)


@given(NUMBERS, NUMBERS)
@example(20240101, 20240102)
@example(0.1 + 0.2, 0.3)
@example(0.0, -0.0)
@example(2**53, 2**53 + 1)
@example(10**21, 1e21)
@example(10**400, 10**400 + 1)
@example(1, 1.0)
def test_equal_numbers_and_no_others_have_equal_texts(one: float, other: float) -> None:
    assert (number_as_text(one) == number_as_text(other)) == (one == other)


@given(NUMBERS)
def test_a_text_reads_back_as_the_number(number: float) -> None:
    text = number_as_text(number)
    assert (int(text) if isinstance(number, int) and "e" not in text else float(text)) == number


@given(st.integers(-999_999, 999_999) | st.decimals(-999, 999, places=2).map(float))
def test_short_numbers_are_worded_as_they_always_were(number: float) -> None:
    """Classes of older models are called so."""
    assert number_as_text(number) == f"{number + 0.0:g}"


@given(st.lists(NUMBERS, min_size=1, unique=True))
def test_no_two_values_are_merged_by_storing_them(values: list[float]) -> None:
    stored = column("take", values)
    assert len(np.unique(stored)) == len(values)
    assert len(np.unique(as_text(stored))) == len(values)


def test_identifiers_beyond_float64_are_stored_as_text() -> None:
    assert column("take", [2**53 + 1, None, 5]).tolist() == [b"9007199254740993", b"", b"5"]
    assert column("take", [2**53, None, 5]).dtype == np.float64
    assert math.isnan(column("take", [2**53, None, 5])[1])
