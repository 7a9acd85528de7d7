"""The sliding window, compared with slices of all samples."""

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classify.inference.stream.windows import SlidingWindow, Window


def all_windows(windows: SlidingWindow, blocks: list[np.ndarray]) -> list[Window]:
    def put() -> None:
        for block in blocks:
            windows.wait_until_wanted()
            windows.put(block, 0.0)
        windows.close()

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    found = list(iter(windows.take, None))
    thread.join()
    return found


@given(
    count=st.integers(0, 300),
    hop=st.integers(1, 40),
    more=st.integers(0, 60),
    cuts=st.lists(st.integers(0, 300), max_size=20),
)
def test_windows_are_slices_however_the_samples_are_cut(
    count: int, hop: int, more: int, cuts: list[int]
) -> None:
    window = hop + more
    samples = np.arange(count, dtype=np.float32)
    blocks = np.split(samples, sorted(min(cut, count) for cut in cuts))
    found = all_windows(SlidingWindow(window, hop, live=False), blocks)
    ends = list(range(window, count + 1, hop))
    assert [one.end for one in found] == ends
    for one in found:
        np.testing.assert_array_equal(one.samples, samples[one.end - window : one.end])
        assert one.skipped == 0


def test_a_live_stream_takes_the_newest_and_counts_the_others() -> None:
    windows = SlidingWindow(20, 10, live=True)
    windows.put(np.arange(65, dtype=np.float32), 7.0)  # ends 20, 30, 40, 50 and 60
    newest = windows.take()
    assert newest is not None
    assert (newest.end, newest.skipped, newest.arrived) == (60, 4, 7.0)
    np.testing.assert_array_equal(newest.samples, np.arange(40, 60))
    windows.put(np.arange(65, 70, dtype=np.float32), 8.0)
    following = windows.take()
    assert following is not None
    assert (following.end, following.skipped, following.arrived) == (70, 0, 8.0)


def test_a_stream_that_can_wait_does() -> None:
    windows = SlidingWindow(20, 10, live=False)
    thread = threading.Thread(target=windows.put, args=(np.zeros(65, np.float32), 0.0), daemon=True)
    thread.start()
    ends = []
    for _ in range(5):
        taken = windows.take()
        assert taken is not None
        ends.append(taken.end)
    thread.join(10)
    assert not thread.is_alive()
    assert ends == [20, 30, 40, 50, 60]


def test_a_closed_window_accepts_samples_without_waiting() -> None:
    windows = SlidingWindow(20, 10, live=False)
    windows.close()
    windows.wait_until_wanted()
    windows.put(np.zeros(200, np.float32), 0.0)
    assert windows.closed


def test_an_error_comes_after_the_windows_before_it() -> None:
    windows = SlidingWindow(20, 10, live=True)
    windows.put(np.zeros(25, np.float32), 0.0)
    windows.close(OSError("gone"))
    assert windows.take() is not None
    with pytest.raises(OSError, match="gone"):
        windows.take()


def test_memory_does_not_grow() -> None:
    windows = SlidingWindow(32_000, 8_000, live=True)
    block = np.zeros(8_000, np.float32)
    tracemalloc.start()
    for number in range(7_200):  # an hour
        windows.put(block, 0.0)
        if number % 3 == 0 and windows.count >= 32_000:
            windows.take()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert windows.count == 3600 * 16_000
    assert peak < 2e6  # bytes; an hour of samples has 230e6
