"""``python -m extract --list-encoders``: a table of the architectures that are read."""

import argparse
from typing import TYPE_CHECKING, NoReturn

from data.console import lines, show
from data.text import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from data.text import Lines
    from extract.encoders.architecture import Architecture

HEADER = (
    "architecture", "front end", "normalisation", "padding is kept out of", "engines",
    "fine-tuning", "examples",
)  # fmt: skip
EXACT = (
    "A batch gives what transformers gives for each file alone, to a relative error of 1e-5 in "
    "float32."
)


class ListEncoders(argparse.Action):
    """Prints the table and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        """Print the table."""
        from extract.encoders.architectures import known  # late: it imports torch

        show(table(known().values()))
        parser.exit()


def table(architectures: "Iterable[Architecture]") -> "Lines":
    """One row for each architecture, whose columns are aligned."""
    rows = [HEADER, *map(_row, dict.fromkeys(architectures))]
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
