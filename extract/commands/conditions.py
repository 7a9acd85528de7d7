"""``python -m extract --degrade SPEC… [--noise DIR]``: utterances in conditions, too."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from data.console import Print
from data.errors import UsageError
from data.text import Lines, aligned, lines

if TYPE_CHECKING:
    from data.utterance import Utterance


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add the options of conditions."""
    add = parser.add_argument
    add("--degrade", nargs="+", action="extend", default=[], metavar="SPEC", help="also embed the "
        "utterances in these conditions, such as noise:20 reverb:0.5 telephone, or in those of a "
        "set: robuser, ser-tests, small, all (docs/conditions.md)")  # fmt: skip
    add("--noise", type=Path, metavar="DIR", help="folder of recordings of noise, which noise:SNR "
        "adds")  # fmt: skip
    add("--list-conditions", action=Print, const=table, nargs=0,
        help="print the conditions and sets, and exit")  # fmt: skip


def with_conditions(args: argparse.Namespace, utterances: "list[Utterance]") -> "list[Utterance]":
    """The utterances, each followed by its degraded ones.

    Raises:
        UsageError: see `extract.degradations.conditions`.
    """
    if not args.degrade:
        if args.noise:
            raise UsageError(f"--noise {args.noise} without a condition; add --degrade noise:20")
        return utterances
    from extract.degradations import conditions  # late: it imports numpy

    specs = [spec for text in args.degrade for spec in text.split(",") if spec]
    of_specs = conditions(specs, utterances, args.noise)
    return [
        one
        for number, utterance in enumerate(utterances)
        for one in (utterance, *(utterance.degraded(of[number]) for of in of_specs))
    ]


def table() -> Lines:
    """Conditions and sets."""
    from extract.degradations.registry import DEGRADATIONS
    from extract.degradations.specs import SETS, form, limits

    rows = [(form(name), limits(name), one.what) for name, one in DEGRADATIONS.items()]
    sets = [f"{name}: {' '.join(members)}" for name, members in SETS.items() if name != "all"]
    return lines([*aligned(rows), "", *sets, "all: these and some more"])
