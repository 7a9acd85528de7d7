"""Which heads are compared, and by what they share."""

import argparse
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from classify import options as classify_options
from classify.heads import HEADS
from classify.options import Options, split_one
from data.errors import UsageError


@dataclass(frozen=True)
class CompareOptions:
    """Everything that a user may choose; verified once, here."""

    heads: tuple[str, ...]
    shared: Options = field(default_factory=Options)  # its head is of no meaning
    draws: int = 2000  # of the bootstrap, and of permutations where there are too many

    def __post_init__(self) -> None:
        known = ", ".join(HEADS)
        if unknown := [name for name in self.heads if name not in HEADS]:
            raise UsageError(f"--heads {','.join(unknown)}: choose from {known}")
        if len(set(self.heads)) < 2:
            named = ",".join(self.heads)
            raise UsageError(f"--heads {named}: name at least two to compare, of {known}")
        if not any(HEADS[name].neural for name in self.heads):
            replace(self.shared, head=self.heads[0])  # refuses what none of them takes
        if self.draws < 100:
            raise UsageError(f"--draws {self.draws}: expected 100 or more")

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> "CompareOptions":
        """Options from what `add_arguments` parsed."""
        return cls(arguments.heads, Options.from_arguments(arguments), arguments.draws)

    def of(self, head: str) -> Options:
        """What `head` is told: what it cannot be told is left as that head does best."""
        if HEADS[head].neural:
            return replace(self.shared, head=head)
        layer = None if self.shared.layer == "mix" else self.shared.layer
        return replace(self.shared, head=head, layer=layer, epochs=None)

    def as_json(self) -> dict[str, Any]:
        """What decides the numbers, without the place where the cache lies."""
        shared = asdict(self.shared)
        del shared["head"], shared["cache"]
        return {"heads": list(self.heads), **shared, "draws": self.draws}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a comparison."""
    parser.add_argument(
        "--heads",
        type=split_one,
        required=True,
        metavar="NAMES",
        help=f"two or more of {', '.join(HEADS)}, joined by commas",
    )
    classify_options.add_arguments(parser, head=False)
    parser.add_argument(
        "--draws",
        type=int,
        default=CompareOptions.draws,
        metavar="N",
        help="bootstrap draws (default: %(default)s)",
    )
