"""How often the out-of-domain score is above 1: held-out speakers, clean and degraded.

    python benchmarks/bench_domain.py CACHE [--corpus emodb --corpus ravdess] [--ranks 256]

The cache is one of ``extract --degrade``. For each of a few groups of speakers, the distribution
and its threshold come from clean speech of all other speakers, as ``train`` makes them
(`classify.models.domain.Domain`), and the group is scored in every condition. A rank is the number
of eigenvectors of the covariance that are kept.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.conditions import Copies, clean_table
from classify.dataset import select, with_features
from classify.models.domain import FALSE_ALARMS, RANK, Domain, summarised
from classify.options import Options
from data.cache import Cache


def shares(
    options: Options, groups: int, ranks: Sequence[int]
) -> dict[str, npt.NDArray[np.float64]]:
    """Condition → (rank,) share of its utterances whose score is above 1."""
    with Cache(options.cache, degraded=True) as cache:
        selection = select(clean_table(cache), options)
        copies = Copies.of(selection, cache, cache.conditions)
        data = with_features(copies.everything, options, cache)
        X = summarised(data.X, data.features, cache.dim)
    _, speaker = np.unique(selection.speakers, return_inverse=True)
    group = np.random.default_rng(0).permutation(speaker.max() + 1)[speaker] % groups
    above = np.zeros((len(ranks), len(copies)))
    for number in range(groups):
        others, own = group != number, group[copies.utterance] == number
        X_clean, y_clean = X[: len(others)][others], selection.y[others]
        for place, rank in enumerate(ranks):
            domain = Domain.calibrated(X_clean, y_clean, speaker[others], rank)
            assert domain is not None
            above[place, own] = domain.score(X[own]) > 1
    return {
        name or "clean": above[:, copies.condition == number].mean(1)
        for number, name in enumerate(copies.names)
    }


def main() -> None:
    """Print a table in Markdown for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--corpus", action="append", default=[], help="one after the other")
    parser.add_argument("--groups", type=int, default=4, help="of speakers")
    parser.add_argument("--ranks", type=int, nargs="+", default=[RANK])
    args = parser.parse_args()
    columns = [(corpus, rank) for corpus in args.corpus or [""] for rank in args.ranks]
    found: dict[str, list[float]] = {}
    for corpus in args.corpus or [""]:
        options = Options("logreg", args.cache, corpora=(corpus,) if corpus else ())
        for name, values in shares(options, args.groups, args.ranks).items():
            found.setdefault(name, []).extend(values)
    heads = [f"{corpus} rank {rank}".strip() for corpus, rank in columns]
    promised = f"score above 1 (promised of clean speech: {FALSE_ALARMS:.0%})"
    rows = [[promised, *heads], ["---"] * (len(heads) + 1)]
    rows += [[name, *(f"{value:.1%}" for value in values)] for name, values in found.items()]
    for row in rows:
        print("|", " | ".join(row), "|")


if __name__ == "__main__":
    main()
