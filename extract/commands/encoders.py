"""``python -m extract --list-encoders``: a table of the architectures that are read."""

from typing import TYPE_CHECKING

from data.text import Lines, aligned, lines

if TYPE_CHECKING:
    from extract.encoders.architecture import Architecture

HEADER = (
    "architecture", "front end", "normalisation", "padding is kept out of", "engines",
    "fine-tuning", "examples",
)  # fmt: skip
EXACT = (
    "A batch gives what transformers gives for each file alone, to a relative error of 1e-5 in "
    "float32."
)


def table() -> Lines:
    """One row for each architecture."""
    from extract.encoders.architectures import known  # late: it imports torch

    rows = [HEADER, *map(_row, dict.fromkeys(known().values()))]
    return lines([*aligned(rows), "", EXACT])


def _row(one: "Architecture") -> tuple[str, ...]:
    return (
        ", ".join(one.model_types),
        one.front,
        one.normalisation,
        one.exactness,
        "torch, openvino, onnx" if one.traceable else "torch",
        "yes" if one.tunable else "no",
        ", ".join(one.examples),
    )
