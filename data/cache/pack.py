"""Pack shards and other caches of one recipe into a cache."""

from collections.abc import Sequence
from pathlib import Path

from data.cache.reader import Cache
from data.cache.refusals import Row, collect
from data.cache.shards import Shards
from data.errors import CacheError


def pack(cache: Path, sources: Sequence[Path] = ()) -> tuple[int, dict[str, Row]]:
    """Merge the shards of `cache` and `sources` (cache files or folders) into `cache`.

    Returns:
        The number of utterances in `cache`, and the refused utterances by id.

    Raises:
        RecipeMismatch: the cache, or its unfinished extraction, has another recipe.
        CacheError: there is nothing to pack, or a file is damaged.
    """
    shards = Shards(cache)
    others = [file for source in sources for file in Cache(source).files]
    recipe = shards.recipe() or (others[0].recipe if others else None)
    if recipe is None:
        raise CacheError(f"{cache}: there is nothing to pack")
    try:
        shards.claim(recipe)
        count = shards.pack(others=others)
        return count, collect(cache, shards.ids)
    finally:
        shards.clean()
