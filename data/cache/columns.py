"""Utterances as columns: speakers, labels and positions, as a cache stores them.

A column is either text or numbers. Text is stored as fixed-length UTF-8 and numbers as float64:
contiguous, fast to read, and with a checksum like every other dataset. Unknown is "" or NaN.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from data.errors import CacheError
from data.utterance import Utterance

TEXT = ("id", "corpus", "path", "speaker", "emotion", "sha256")
DESCRIBED = ("corpus", "path", "speaker", "emotion", "start", "end")  # start and end in seconds
REQUIRED = ("id", "corpus", "path", "speaker", "emotion", "start", "end", "duration", "sha256")
MANY_DIGITS = 1e21  # from here on, whole numbers are written with an exponent

Columns = dict[str, npt.NDArray]


def from_utterances(
    utterances: Sequence[Utterance], durations: Sequence[float], checksums: Sequence[str]
) -> Columns:
    """Columns of shape (utterance,) from utterances, their seconds and their audio's SHA-256."""
    return described(utterances) | {
        "id": column("id", [utterance.id for utterance in utterances]),
        "duration": column("duration", durations),
        "sha256": column("sha256", checksums),
    }


def described(utterances: Sequence[Utterance]) -> Columns:
    """The columns that a corpus determines, without those that its recordings determine."""
    attributes = {name for utterance in utterances for name in utterance.attributes}
    if reserved := attributes.intersection(REQUIRED):
        raise ValueError(f"an utterance's attribute may not be called {min(reserved)!r}")
    named = {
        name: column(name, [getattr(utterance, name) for utterance in utterances])
        for name in DESCRIBED
    }
    return named | {
        name: column(name, [utterance.attributes.get(name) for utterance in utterances])
        for name in sorted(attributes)
    }


def column(name: str, values: Iterable[object]) -> npt.NDArray:
    """One column as it is stored: text as ``S``, numbers as float64. Integers that float64 does
    not hold exactly, such as identifiers of 18 digits, make a column text.

    >>> column("sex", ["female", None])
    array([b'female', b''], dtype='|S6')
    >>> column("age", [31, None])
    array([31., nan])
    >>> column("take", [2**53 + 1, 7])
    array([b'9007199254740993', b'7'], dtype='|S16')
    """
    values = list(values)
    if name in TEXT or any(isinstance(v, (str, bytes)) or _is_inexact(v) for v in values):
        return np.array([_text(value) for value in values], dtype="S") if values else _no_text()
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def join(parts: Sequence[Mapping[str, npt.NDArray]], lengths: Sequence[int]) -> Columns:
    """Stack columns of several files; a column that a file lacks is unknown there."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: join_column([part.get(name) for part in parts], lengths)
        for name in [*REQUIRED, *sorted(names.keys() - set(REQUIRED))]
    }


def join_column(parts: Sequence[npt.NDArray | None], lengths: Sequence[int]) -> npt.NDArray:
    """Stack one column of several files."""
    text = any(part is not None and part.dtype.kind == "S" for part in parts)
    return np.concatenate(
        [
            unknown(length, text) if part is None else as_text(part, text)
            for part, length in zip(parts, lengths, strict=True)
        ]
    )


def unknown(length: int, text: bool) -> npt.NDArray:
    """A column of unknown values."""
    return np.full(length, b"", "S1") if text else np.full(length, np.nan)


def as_text(values: npt.NDArray, text: bool = True) -> npt.NDArray:
    """Numbers as text if `text`; where one file has numbers and another text, all is text."""
    if not text or values.dtype.kind == "S":
        return values
    return np.array([_text(value) for value in values.tolist()], dtype="S")


def overwritten(
    old: npt.NDArray | None, where: npt.NDArray[np.bool_], new: npt.NDArray | None
) -> npt.NDArray:
    """`old` with the rows marked in `where` replaced by `new`; None is unknown."""
    count = int(where.sum())
    text = any(part is not None and part.dtype.kind == "S" for part in (old, new))
    kept = unknown(len(where) - count, text) if old is None else as_text(old[~where], text)
    put = unknown(count, text) if new is None else as_text(new, text)
    out = np.empty(len(where), np.promote_types(kept.dtype, put.dtype))
    out[~where], out[where] = kept, put
    return trimmed(out)


def is_unknown(values: npt.NDArray) -> bool:
    """Whether all values of a column are unknown."""
    return not values.any() if values.dtype.kind == "S" else bool(np.isnan(values).all())


def trimmed(values: npt.NDArray) -> npt.NDArray:
    """A text column no wider than its longest value, so that equal contents are equal bytes."""
    if values.dtype.kind != "S" or not len(values):
        return values
    return values.astype(f"S{max(1, int(np.strings.str_len(values).max()))}")


def types(name: str) -> tuple[str, ...]:
    """The types that a column may be stored as: ``S`` and its length is text."""
    if name in TEXT:
        return ("S",)
    return ("<f8",) if name in REQUIRED else ("S", "<f8")


def decode(values: npt.NDArray) -> list[str]:
    """The strings of a text column.

    Raises:
        CacheError: it is not UTF-8.
    """
    try:
        return [value.decode() for value in values.tolist()]
    except UnicodeDecodeError as error:
        raise CacheError(f"damaged: a column has text that is not UTF-8 ({error})") from None


def _text(value: object) -> bytes:
    if value is None or (isinstance(value, float) and value != value):
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (int, float)):
        return number_as_text(value).encode()
    return str(value).encode()


def number_as_text(value: float) -> str:
    """A number as text, such as the name of a class: as short as it can be without loss.

    Equal numbers have equal texts, and different numbers have different texts.

    >>> number_as_text(1.0), number_as_text(0.25), number_as_text(20240101)
    ('1', '0.25', '20240101')
    """
    if isinstance(value, int) and _is_inexact(value):
        return str(value)
    number = float(value)
    if number.is_integer() and abs(number) < MANY_DIGITS:
        return str(int(number))
    return repr(number)


def _is_inexact(value: object) -> bool:
    """Whether `value` is an integer that float64 does not hold."""
    if not isinstance(value, int):
        return False
    try:
        return float(value) != value
    except OverflowError:
        return True


def _no_text() -> npt.NDArray:
    return np.empty(0, "S1")
