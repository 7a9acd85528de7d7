"""Extraction on a Dask cluster with a stand-in for the encoder."""

from standin import Source

from data import corpora
from extract import pipeline
from extract.parallel import dask
from extract.parallel.workers import Cluster


def listed(corpus):
    return list(corpora.read(corpus).utterances)


def extracted(corpus, cache, where, source=None, batch_seconds=1.0, **options):
    settings = pipeline.Settings(batch_seconds=batch_seconds)
    on = Cluster(where.scheduler, **options)
    return dask.extract(listed(corpus), source or Source(), cache, settings, on)[1]
