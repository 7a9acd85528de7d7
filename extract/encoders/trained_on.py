"""The recordings that an encoder was trained on: ``trained_on.parquet`` beside its weights.

The file has a row for each recording, and a checksum of its rows in its metadata. It is written for
each fine-tuned encoder, and by ``python -m extract annotate`` for others. This module does not
import torch.
"""

import hashlib
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.atomic import publish_bytes
from data.errors import EncoderError
from data.utterance import Utterance
from extract.fingerprint import SAME, distances, unpacked

FILE = "trained_on.parquet"
COLUMNS = ("id", "sha256", "fingerprint", "corpus", "speaker", "role")
ROLES = ("fitted", "stopped by")  # its gradient was followed; its score chose the epoch
SPEAKER, SIMILAR = "speaker", "similar"  # of recordings that it was not trained on
CHECKSUM = b"wav2emo sha256"


def write(folder: Path, recordings: pd.DataFrame) -> None:
    """Write the recordings of an encoder.

    Args:
        folder: of the checkpoint.
        recordings: the columns ``id``, ``sha256`` of the audio file, ``fingerprint`` (see
            `extract.fingerprint`), ``corpus``, ``speaker`` ("" if unknown) and ``role``, one of
            `ROLES`.

    Raises:
        ValueError: a column is missing, or a role is unknown.
    """
    if missing := sorted({*COLUMNS} - {*recordings}):
        raise ValueError(f"columns {', '.join(missing)} are missing")
    if unknown := sorted({*recordings["role"]} - {*ROLES}):
        raise ValueError(f"role {unknown[0]!r}: expected one of {', '.join(ROLES)}")
    rows = recordings[list(COLUMNS)].sort_values("id").reset_index(drop=True).astype(str)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    table = table.replace_schema_metadata({CHECKSUM: digest(rows).encode()})
    folder.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    pq.write_table(table, content)
    publish_bytes(folder / FILE, content.getvalue())


def read(folder: Path) -> pd.DataFrame | None:
    """The recordings of an encoder, with the columns of `write`; None if they are unknown.

    Raises:
        EncoderError: the file is damaged or was changed.
    """
    file = folder / FILE
    if not file.exists():
        return None
    try:
        table = pq.read_table(file)
        rows = table.to_pandas()[list(COLUMNS)].astype(str)
        noted = (table.schema.metadata or {}).get(CHECKSUM, b"").decode()
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise EncoderError(f"{file}: damaged: {str(error).splitlines()[0]}") from None
    if noted != digest(rows):
        raise EncoderError(
            f"{file}: its rows do not match its checksum, so it is not known what the encoder was "
            "trained on; restore the file"
        )
    return rows


def digest(recordings: pd.DataFrame) -> str:
    """SHA-256 of the rows, in the order of their ids."""
    rows = recordings[list(COLUMNS)].sort_values("id").itertuples(index=False, name=None)
    found = hashlib.sha256()
    for row in rows:
        found.update("\0".join(map(str, row)).encode() + b"\n")
    return found.hexdigest()


class Heard:
    """Whether an encoder was trained on an utterance, or on a similar one."""

    def __init__(self, recordings: pd.DataFrame) -> None:
        self._roles = dict(zip(recordings["sha256"], recordings["role"], strict=True))
        known = recordings[recordings["speaker"] != ""]
        self._speakers = {*zip(known["corpus"], known["speaker"], strict=True)}
        self._fingerprints = unpacked(sorted({*recordings["fingerprint"]} - {""}))

    def role(self, utterance: Utterance, sha256: str, fingerprint: str) -> str:
        """One of `ROLES` for a recording of the training, by its bytes; `SIMILAR` for one that
        sounds the same; `SPEAKER` for another one of a speaker of the training; "" otherwise."""
        if sha256 in self._roles:
            return str(self._roles[sha256])
        if len(self._fingerprints) and distances(fingerprint, self._fingerprints).min() <= SAME:
            return SIMILAR
        return SPEAKER if (utterance.corpus, utterance.speaker) in self._speakers else ""
