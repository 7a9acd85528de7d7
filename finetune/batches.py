"""Batches of similar length: order, crops and masks depend on seed, epoch and utterance alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils.rnn import pad_sequence

from classify.dataset import Selection
from extract.encoders.framing import Sizes, frames
from finetune.inputs import Source
from finetune.network import Batch, Network
from finetune.options import FinetuneOptions

SPAN = 10  # frames of a mask, the default of transformers
JITTER = 0.2  # share of its length by which the place of an utterance in the order varies

Rows = npt.NDArray[np.intp]


@dataclass
class Loader:
    """Batches of some utterances, for transformers' Trainer.

    Args:
        source: the values.
        rows: utterances of its table.
        y: (row of the table,) classes or (row, target) numbers.
        batch_seconds: padded seconds of a batch.
        seed: of order, crops and masks; None: no shuffling, no crops, no masks, as for scores.
        max_seconds: of longer utterances a random part is used.
        mask: share of the frames that are masked.
        sizes: convolutions between the values and the frames; none: the values are frames.
        rank, world: this process takes every `world`-th batch from number `rank` on.
    """

    source: Source
    rows: Rows
    y: npt.NDArray
    batch_seconds: float
    seed: int | None = None
    max_seconds: float = np.inf
    mask: float = 0.0
    sizes: Sizes = ()
    rank: int = 0
    world: int = 1
    number: int = 0  # of the epoch that iteration gives

    @classmethod
    def of(cls, source: Source, selection: Selection, rows: Rows, options: FinetuneOptions) -> Self:
        """Batches of whole utterances, `rows` of a selection, without masks."""
        y = np.zeros((len(source.utterances), *selection.y.shape[1:]), selection.y.dtype)
        y[selection.rows] = selection.y
        return cls(source, selection.rows[rows], y, options.batch_seconds)

    def for_training(
        self, options: FinetuneOptions, network: Network, rank: int = 0, world: int = 1
    ) -> Self:
        """The same utterances in random order, cropped and masked."""
        return replace(
            self,
            seed=options.seed,
            max_seconds=options.max_seconds,
            mask=options.masked,
            sizes=network.sizes if network.reads == "waveform" else (),
            rank=rank,
            world=world,
        )

    def __len__(self) -> int:
        """Number of batches of this process, the same in each epoch."""
        return -(-self._batches // self.world)

    @property
    def _batches(self) -> int:
        return max(1, round(float(self.lengths.sum()) / self.most))

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(row,) samples or frames that are used."""
        longest = int(min(self.max_seconds * self.source.per_second, 2**62))
        return np.minimum(self.source.lengths[self.rows], longest)

    @property
    def most(self) -> float:
        """Samples or frames of a batch."""
        return self.batch_seconds * self.source.per_second

    def set_epoch(self, number: int) -> None:
        """Choose the epoch that iteration gives."""
        self.number = number

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(self.number)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        made = self.order(number)
        even = len(self) * self.world  # all processes have as many batches
        for rows in (made * self.world)[:even][self.rank :: self.world]:
            yield self.batch(rows, number)

    def order(self, epoch: int) -> list[Rows]:
        """The utterances of each batch, as rows of the table."""
        lengths = self.lengths.astype(float)
        if self.seed is None:
            order = np.argsort(lengths, kind="stable")
        else:
            random = np.random.default_rng((self.seed, epoch))
            places = lengths * random.uniform(1 - JITTER, 1 + JITTER, len(lengths))
            order = np.lexsort((random.random(len(lengths)), places))
        ends = np.cumsum(lengths[order])
        count = min(self._batches, len(order))
        number = np.minimum(((ends - lengths[order] / 2) * count / ends[-1]).astype(int), count - 1)
        batches = [self.rows[order[number == one]] for one in range(count)]
        batches = [batch for batch in batches if len(batch)]
        if len(batches) < self._batches:  # very different lengths leave some empty
            batches += batches[: self._batches - len(batches)]
        if self.seed is not None:
            batches = [batches[one] for one in random.permutation(len(batches))]
        return batches

    def batch(self, rows: Sequence[int] | Rows, epoch: int) -> Batch:
        """Read some utterances."""
        longest = self.max_seconds * self.source.per_second
        values, masks = [], []
        for row in rows:
            found = self.source.read(int(row))
            random = np.random.default_rng((self.seed or 0, epoch, int(row)))
            if self.seed is not None and len(found) > longest:
                first = random.integers(len(found) - int(longest) + 1)
                found = found[first : first + int(longest)]
            values.append(torch.from_numpy(found.astype(np.float32)))
            count = frames(len(found), self.sizes)
            masks.append(torch.from_numpy(spans(count, self.mask, random)))
        batch = {
            "values": pad_sequence(values, batch_first=True),
            "lengths": torch.tensor([len(one) for one in values]),
            "labels": torch.from_numpy(self.y[rows]),
        }
        if self.mask:
            batch["masked"] = pad_sequence(masks, batch_first=True)
        return batch


def spans(count: int, share: float, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(frame,) whether it is masked: about `share` of the frames, in spans of `SPAN`.

    An utterance that is shorter than two spans is not masked.
    """
    masked = np.zeros(count, bool)
    if not share or count < 2 * SPAN:
        return masked
    number = int(share * count / SPAN + random.random())
    for first in random.integers(0, count - SPAN + 1, number):
        masked[first : first + SPAN] = True
    return masked
