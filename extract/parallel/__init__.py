"""Extract on several machines: job arrays (`shards`) or Dask (`dask`)."""
