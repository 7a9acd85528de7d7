"""The files of a model's folder, as far as no head is needed to read them."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from classify.heads import storage
from classify.models import schema
from data.errors import ModelError, UsageError

CARD, README = "model.json", "README.md"
DOMAIN = "domain.safetensors"  # see `classify.models.domain`; a model may lack it
FILES = (storage.SAFETENSORS, storage.SKOPS)  # a model has one of them
MOST_OF_CARD = 16 << 20  # bytes


def check(folder: Path) -> None:
    """Require that `folder` is new, empty, or the folder of a model.

    Raises:
        UsageError: it is a file, or a folder with other files.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: a file is there; name a folder for the model")
    if not folder.is_dir():
        return
    parts = {CARD, DOMAIN, README, *FILES}
    temporary = tuple(f".{part}." for part in parts)  # left by a `save` that was killed
    names = {
        entry.name
        for entry in folder.iterdir()
        if not (entry.name.startswith(temporary) and entry.suffix == ".tmp")
    }
    if names - parts or names == {README}:
        raise UsageError(
            f"{folder}: something other than a model is in there; name a new or empty folder"
        )


def read_card(folder: Path) -> dict[str, Any]:
    """``model.json``, verified.

    Raises:
        ModelError: it is missing, damaged, or of an unknown version.
    """
    file = folder / CARD
    if not file.exists():
        if any((folder / name).exists() for name in FILES):
            raise ModelError(
                f"{folder}: incomplete, for {CARD} is missing: was its training stopped? "
                "Train again"
            )
        raise ModelError(
            f"{folder}: no {CARD} in it; make a model with 'python -m classify train -o {folder}'"
        )
    try:
        return schema.parse(read(file, MOST_OF_CARD))
    except schema.Malformed as error:
        raise ModelError(f"{file}: {error}; train again") from None


def checksum(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read(file: Path, most: int, sha256: str | None = None) -> bytes:
    """Read a regular file, or the target of a link.

    Raises:
        ModelError: it is missing, of another kind, of more than `most` bytes, or has another
            checksum than `sha256`.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for a writer
    except FileNotFoundError:
        missing = f"{file.parent}: incomplete: {file.name} is missing; train again"
        raise ModelError(missing) from None
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{file}: not a file")
        if status.st_size > most:
            raise ModelError(f"{file}: {status.st_size:,} bytes; at most {most:,} are read")
        content = opened.read(most + 1)
    if sha256 and checksum(content) != sha256:
        raise ModelError(f"{file}: altered since it was trained; train again")
    return content
