"""Columns of a cache: ids, labels, positions and other properties of utterances.

A column contains text (fixed-length UTF-8) or numbers (float64). An unknown value is "" or NaN.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from data.errors import CacheError
from data.utterance import Utterance

HEARD = "heard"  # how the encoder was trained on it, see `extract.encoders.trained_on`
CONDITION = "condition"  # how it was degraded; "": not at all
DIGEST = "condition_digest"  # of everything that determines the degraded audio
ACHIEVED = "achieved"  # level of the condition as it was measured, in its unit
OF_CONDITION = (CONDITION, DIGEST, ACHIEVED)
QUALITY = ("bandwidth_hz", "level_db", "snr_db", "clipped_share")  # see `extract.quality`
TEXT = ("id", "corpus", "path", "speaker", "emotion", "sha256", HEARD, CONDITION, DIGEST)
DESCRIBED = ("corpus", "path", "speaker", "emotion", "start", "end")  # start and end in seconds
REQUIRED = ("id", "corpus", "path", "speaker", "emotion", "start", "end", "duration", "sha256")
EMBEDDED = ("id", "duration", "sha256", HEARD, *OF_CONDITION, *QUALITY)  # of the embedding
MANY_DIGITS = 1e21  # whole numbers from this one on are written with an exponent

Columns = dict[str, npt.NDArray]


def from_utterances(
    utterances: Sequence[Utterance],
    durations: Sequence[float],
    checksums: Sequence[str],
    achieved: Sequence[float | None] = (),
    quality: Sequence[Sequence[float]] = (),
) -> Columns:
    """Columns of shape (utterance,), from utterances, durations in seconds, SHA-256, the achieved
    levels of their conditions, and the `QUALITY` of each."""
    values: dict[str, Iterable[object]] = {
        "id": [utterance.id for utterance in utterances],
        "duration": durations,
        "sha256": checksums,
    }
    conditions = [utterance.condition for utterance in utterances]
    if any(conditions):
        values[CONDITION] = [one.name if one else "" for one in conditions]
        values[DIGEST] = [one.digest if one else "" for one in conditions]
        values[ACHIEVED] = achieved
    values |= zip(QUALITY, zip(*quality, strict=True), strict=False)
    return described(utterances) | {name: column(name, values[name]) for name in values}


def described(utterances: Sequence[Utterance]) -> Columns:
    """Columns of shape (utterance,) that come from the corpus and not from its recordings."""
    attributes = {name for utterance in utterances for name in utterance.attributes}
    if reserved := attributes.intersection((*REQUIRED, *EMBEDDED)):
        raise ValueError(f"{min(reserved)!r} is a reserved name; rename the attribute")
    values = {name: [getattr(utterance, name) for utterance in utterances] for name in DESCRIBED}
    for name in sorted(attributes):
        values[name] = [utterance.attributes.get(name) for utterance in utterances]
    return {name: column(name, values[name]) for name in values}


def column(name: str, values: Iterable[object]) -> npt.NDArray:
    """Convert values to a column, (utterance,): text has the type ``S``, numbers float64.

    A column is text if it contains text, or an integer that float64 cannot represent exactly.

    >>> column("sex", ["female", None])
    array([b'female', b''], dtype='|S6')
    >>> column("age", [31, None])
    array([31., nan])
    >>> column("take", [2**53 + 1, 7])
    array([b'9007199254740993', b'7'], dtype='|S16')
    """
    values = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if name in TEXT or any(isinstance(v, (str, bytes)) or _is_inexact(v) for v in values):
        return np.array([_text(value) for value in values], dtype="S" if values else "S1")
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def ordered(names: Iterable[str]) -> list[str]:
    """Names of columns in the order of a file: the required ones, then all others by name."""
    return [*REQUIRED, *sorted(set(names).difference(REQUIRED))]


def unknown(length: int, text: bool) -> npt.NDArray:
    """A column of unknown values."""
    return np.full(length, b"", "S1") if text else np.full(length, np.nan)


def as_text(values: npt.NDArray) -> npt.NDArray:
    """Convert a column to text, because another file has text."""
    if values.dtype.kind == "S":
        return values
    return np.array([_text(value) for value in values.tolist()], dtype="S")


def overwritten(
    old: npt.NDArray | None, where: npt.NDArray[np.bool_], new: npt.NDArray | None
) -> npt.NDArray:
    """Replace the rows of `old` that are marked in `where` by `new`; None is unknown."""
    text = any(part is not None and part.dtype.kind == "S" for part in (old, new))
    count = int(where.sum())
    kept = unknown(len(where) - count, text) if old is None else old[~where]
    put = unknown(count, text) if new is None else new
    if text:
        kept, put = as_text(kept), as_text(put)
    out = np.empty(len(where), np.promote_types(kept.dtype, put.dtype))
    out[~where], out[where] = kept, put
    return trimmed(out)


def is_unknown(values: npt.NDArray) -> bool:
    """Whether all values of a column are unknown."""
    return not values.any() if values.dtype.kind == "S" else bool(np.isnan(values).all())


def trimmed(values: npt.NDArray) -> npt.NDArray:
    """Shorten a text column to its longest value, so that equal contents have equal bytes."""
    if values.dtype.kind != "S" or not len(values):
        return values
    return values.astype(f"S{max(1, int(np.strings.str_len(values).max()))}")


def types(name: str) -> tuple[str, ...]:
    """Types that a column may have in a file; ``S`` is text of any length."""
    if name in TEXT:
        return ("S",)
    return ("<f8",) if name in (*REQUIRED, ACHIEVED, *QUALITY) else ("S", "<f8")


def decode(values: npt.NDArray) -> list[str]:
    """Convert a text column to strings.

    Raises:
        CacheError: the text is not UTF-8.
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
    """The shortest text that represents a number exactly; used as the name of a class.

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
    """Whether `value` is an integer that float64 cannot represent."""
    if not isinstance(value, int):
        return False
    try:
        return float(value) != value
    except OverflowError:
        return True
