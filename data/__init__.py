"""Corpora, labels and the cache of embeddings.

``data.Cache`` reads a cache. This package does not import torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.cache import Cache as Cache

__all__ = ["Cache"]


def __getattr__(name: str) -> object:
    """Import h5py and NumPy only when the cache is used, so that ``--help`` is fast."""
    if name == "Cache":
        from data.cache import Cache

        return Cache
    raise AttributeError(f"module 'data' has no attribute {name!r}")
