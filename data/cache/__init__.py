"""The cache of embeddings: HDF5 files that carry their recipe.

==============  ================================================================
`recipe`        what determines the numbers, and its fingerprint
`columns`       utterances as columns
`file`          the file format; read one file
`merged`        files of one recipe, read as one
`reader`        `Cache`: one file or a folder of files
`writer`        write a file from arrays; merge files
`publish`       lay out an HDF5 file and write it atomically
`shards`        shards of an unfinished cache; packing
`refusals`      utterances that could not be embedded
`lock`          lock a folder
`pack`          merge shards and other caches into a cache
`verify`        check every checksum, id, number and offset
`summary`       counts, shapes, recipe and provenance
`export`        npz, Parquet, Hugging Face data set
==============  ================================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.cache.reader import Cache as Cache

__all__ = ["Cache"]


def __getattr__(name: str) -> object:
    """Import h5py and NumPy only when the cache is used, so that ``--help`` is fast."""
    if name == "Cache":
        from data.cache.reader import Cache

        return Cache
    raise AttributeError(f"module 'data.cache' has no attribute {name!r}")
