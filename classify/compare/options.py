"""The heads to compare and the options that they share."""

from dataclasses import dataclass, field, replace
from typing import Any

from classify.heads import HEADS, find
from classify.options import NONE, Options, recorded
from data.errors import UsageError
from data.options import option


@dataclass(frozen=True)
class CompareOptions:
    """The options, verified when they are made."""

    heads: tuple[str, ...] = option(
        help=f"two or more of {', '.join(HEADS)}, joined by commas", metavar="NAMES"
    )
    shared: Options = field(default_factory=Options)  # its head is ignored

    def __post_init__(self) -> None:
        known = ", ".join(HEADS)
        for name in self.heads:
            find(name)
        if len(set(self.heads)) < 2:
            named = ",".join(self.heads)
            raise UsageError(f"--heads {named}: name at least two to compare, of {known}")

    def of(self, head: str) -> Options:
        """The options for `head`. Those that it does not take keep their defaults."""
        able, own, shared = find(head), Options(), self.shared
        steps = able.sequences and shared.axis != "layer"
        poolings = shared.poolings if steps or shared.poolings != (NONE,) else own.poolings
        plain = shared.normalize if able.neural or shared.normalize != "none" else own.normalize
        return replace(
            shared,
            head=head,
            layer=own.layer if shared.layer == "mix" and not able.neural else shared.layer,
            poolings=poolings,
            axis=shared.axis if able.sequences else own.axis,
            normalize=plain,
            balance=shared.balance and able.balanced,
            training=shared.training if able.neural else own.training,
            seeds=shared.seeds if able.random else own.seeds,
            device=shared.device if able.neural else own.device,
        )

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers, without the path of the cache."""
        shared = recorded(self.shared)
        del shared["head"]
        return {"heads": list(self.heads), **shared}
