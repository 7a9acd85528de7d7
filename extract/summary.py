"""Counts of an extraction."""

from dataclasses import dataclass, field

from data.cache.recipe import Recipe
from extract.decoding import Refusal


@dataclass
class Summary:
    """Counts of a run."""

    recipe: Recipe = field(default_factory=dict)
    embedded: int = 0
    cached: int = 0  # were in the cache before
    pruned: int = 0
    seconds: float = 0.0  # of audio that was embedded
    total: int = 0  # utterances in the cache
    packed: bool = True  # False: other parts are not finished
    missing: int = 0  # utterances of these parts
    refused: list[Refusal] = field(default_factory=list)
    shards: list[str] = field(default_factory=list)  # names of the published shards

    def refused_rows(self) -> list[dict[str, str]]:
        """The refused utterances for the list of refusals."""
        return [refusal.row() for refusal in self.refused]
