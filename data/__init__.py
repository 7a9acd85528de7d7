"""Corpora, labels and the cache of embeddings.

``data.Cache`` is the reader; everything here works without torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.cache import Cache as Cache

__all__ = ["Cache"]


def __getattr__(name: str) -> object:
    """Import h5py and NumPy only when the cache is used: ``--help`` must answer at once."""
    if name == "Cache":
        from data.cache import Cache

        return Cache
    raise AttributeError(f"module 'data' has no attribute {name!r}")
