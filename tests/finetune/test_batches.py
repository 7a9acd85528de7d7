"""Batches: every utterance once an epoch, the same for a seed, divided among processes."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from finetune.batches import SPAN, Loader, spans


@dataclass(frozen=True)
class Numbers:
    """A source whose values name the utterance and the place."""

    lengths: np.ndarray
    per_second: float = 50.0
    utterances: pd.DataFrame = None

    def read(self, row: int) -> np.ndarray:
        return np.stack([np.full(self.lengths[row], row), np.arange(self.lengths[row])], 1) * 1.0


LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=40).map(np.array)


def loader_of(lengths: np.ndarray, **more: object) -> Loader:
    rows = np.arange(len(lengths))[::-1]
    y = np.arange(len(lengths)) % 3
    return replace(Loader(Numbers(lengths), rows, y, batch_seconds=8.0, seed=0), **more)


@given(LENGTHS, st.integers(0, 5), st.sampled_from([None, 0, 7]))
def test_each_utterance_is_in_one_batch_of_an_epoch(lengths, epoch, seed):
    loader = loader_of(lengths, seed=seed)
    batches = loader.order(epoch)
    assert len(batches) == len(loader)
    assert set(np.concatenate(batches)) == set(range(len(lengths)))
    if len({id(one) for one in batches}) == len(batches):  # none is repeated to fill up
        assert sorted(np.concatenate(batches)) == list(range(len(lengths)))


@given(LENGTHS, st.integers(2, 3), st.integers(0, 3))
def test_processes_have_as_many_batches_and_all_of_them(lengths, world, epoch):
    whole = loader_of(lengths)
    shares = [
        [batch["labels"].tolist() for batch in replace(whole, rank=rank, world=world).epoch(epoch)]
        for rank in range(world)
    ]
    assert {len(share) for share in shares} == {len(replace(whole, world=world))}
    dealt = [share[step] for step in range(len(shares[0])) for share in shares]
    alone = [batch["labels"].tolist() for batch in whole.epoch(epoch)]
    assert dealt[: len(alone)] == alone


def test_order_crops_and_masks_depend_on_seed_and_epoch_alone():
    lengths = np.random.default_rng(0).integers(60, 300, 30)
    loader = loader_of(lengths, max_seconds=2.0, mask=0.3)

    def epoch(one: Loader, number: int) -> list:
        return [(batch["values"].tolist(), batch["masked"].tolist()) for batch in one.epoch(number)]

    assert epoch(loader, 1) == epoch(loader, 1)
    assert epoch(loader, 1) != epoch(loader, 2)
    assert epoch(loader, 1) != epoch(replace(loader, seed=1), 1)


@given(LENGTHS, st.integers(0, 3))
def test_crops_are_parts_of_their_utterance(lengths, epoch):
    for batch in loader_of(lengths, max_seconds=3.0).epoch(epoch):
        for values, length in zip(batch["values"], batch["lengths"].tolist(), strict=True):
            row, first = int(values[0, 0]), int(values[0, 1])
            assert length == min(150, lengths[row])
            assert (values[:length, 0] == row).all()
            assert values[:length, 1].tolist() == list(range(first, first + length))
            assert (values[length:] == 0).all()


def test_without_a_seed_utterances_are_whole_and_unmasked():
    loader = loader_of(np.array([20, 400, 31]), seed=None)
    lengths = sorted(n for batch in loader.epoch(0) for n in batch["lengths"].tolist())
    assert lengths == [20, 31, 400]
    assert not any("masked" in batch for batch in loader.epoch(0))


@given(st.integers(1, 2000), st.floats(0, 0.9), st.integers(0, 99))
def test_masks_are_spans_within_the_utterance(count, share, seed):
    masked = spans(count, share, np.random.default_rng(seed))
    assert masked.shape == (count,)
    if count < 2 * SPAN:
        assert not masked.any()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], masked.astype(int), [0]])))
    assert all(last - first >= SPAN for first, last in edges.reshape(-1, 2))
    assert masked.mean() <= share + SPAN / count


def test_about_the_asked_share_is_masked():
    random = np.random.default_rng(0)
    found = np.mean([spans(200, 0.1, random).mean() for _ in range(400)])
    assert 0.08 < found < 0.11  # spans overlap
