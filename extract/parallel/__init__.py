"""Extract on more than one machine: job arrays on shards (`shards`), or Dask (`dask`)."""
