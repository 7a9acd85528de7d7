"""Collect embeddings and write them as shards of a cache, in a thread.

After a crash, at most `SHARD_UTTERANCES` utterances or about `SHARD_SECONDS` of work are repeated.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from data.cache import columns
from data.cache.shards import Shards
from data.errors import EncoderError
from extract.embedder import Embedding
from extract.engines import Engine
from extract.summary import Summary

if TYPE_CHECKING:
    from extract.encoders.trained_on import Heard

SHARD_UTTERANCES = 512
SHARD_SECONDS = 20.0  # of work, so that a crash loses less than 30 s including the write
SHARD_BYTES = 64 << 20


class ShardWriter:
    """Collects embeddings, and writes them as shards in a thread.

    At the end of its context, also after an error, the rest is published.

    Args:
        parts: the shards of a cache.
        engine: has embedded the utterances.
        summary: is updated when a shard is published.
    """

    def __init__(self, parts: Shards, engine: Engine, summary: Summary) -> None:
        self._parts = parts
        self._engine = engine
        self._summary = summary
        self._heard: Heard | None = None
        self._waiting: list[Embedding] = []
        self._bytes = 0
        self._since = time.monotonic()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._writing: Future[None] | None = None

    def add(self, embedded: Embedding) -> None:
        """Keep an embedding; write a shard when enough are kept."""
        self._waiting.append(embedded)
        self._bytes += sum(values.nbytes for values in embedded.layers.values())
        self._bytes += embedded.sequence.nbytes if embedded.sequence is not None else 0
        if (
            len(self._waiting) >= SHARD_UTTERANCES
            or self._bytes >= SHARD_BYTES
            or time.monotonic() - self._since >= SHARD_SECONDS
        ):
            self._hand_over()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._hand_over()
            self._finish()
        finally:
            self._thread.shutdown()

    def _hand_over(self) -> None:
        self._finish()  # one shard at a time, to bound the memory
        if self._waiting:
            self._writing = self._thread.submit(self._publish, self._waiting)
            self._waiting, self._bytes = [], 0
        self._since = time.monotonic()

    def _finish(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _publish(self, shard: list[Embedding]) -> None:
        recipe = self._engine.recipe
        utterances = columns.from_utterances(
            [embedded.utterance for embedded in shard],
            [embedded.duration for embedded in shard],
            [embedded.sha256 for embedded in shard],
            [embedded.achieved for embedded in shard],
            [embedded.quality for embedded in shard if embedded.quality is not None],
        )
        if recipe.get("trained_on"):
            utterances[columns.HEARD] = columns.column(columns.HEARD, self._roles(shard))
        layers = {
            name: np.stack([embedded.layers[name] for embedded in shard], axis=1)
            for name in recipe["pooling"]
        }
        sequences = [embedded.sequence for embedded in shard if embedded.sequence is not None]
        baselines = {
            name: np.stack([embedded.baselines[name] for embedded in shard])
            for name in recipe.get("baselines", ())
        }
        provenance = self._engine.provenance
        path = self._parts.publish(
            recipe, utterances, layers, _joined(sequences), provenance, baselines
        )
        self._summary.shards.append(path.name)
        self._summary.embedded += len(shard)
        self._summary.seconds += sum(embedded.duration for embedded in shard)

    def _roles(self, shard: list[Embedding]) -> list[str]:
        """The role of each utterance in the training of the encoder, see `Heard.role`."""
        if self._heard is None:
            from extract.encoders import trained_on  # late: it imports pandas

            folder = Path(self._engine.provenance["location"])
            recordings = trained_on.read(folder)
            known = None if recordings is None else trained_on.digest(recordings)
            if recordings is None or known != self._engine.recipe["trained_on"]:
                raise EncoderError(
                    f"{folder / trained_on.FILE}: it has changed since the encoder was loaded; run "
                    "the same command again"
                )
            self._heard = trained_on.Heard(recordings)
        role = self._heard.role
        return [role(one.utterance, one.sha256, one.fingerprint) for one in shard]


def _joined(sequences: list[npt.NDArray[np.float16]]) -> dict[str, npt.NDArray] | None:
    if not sequences:
        return None
    lengths = [sequence.shape[1] for sequence in sequences]
    return {
        "values": np.concatenate(sequences, axis=1),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
    }
