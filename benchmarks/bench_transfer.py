"""The matrix of corpora on every layer, compared with scikit-learn fit by fit.

    python benchmarks/bench_transfer.py --cache embeddings.h5 [--labels big4] [--rounds 3]

The cache holds several corpora. Both sides fit a logistic regression for every cell of the matrix
(each fold within a corpus, each pair of corpora, all others) on every layer, on all cores, and
predict the test parts; see `one_by_one.py`.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from one_by_one import compare

from classify.dataset import select, sound, with_features
from classify.transfer.cells import matrix
from classify.transfer.options import TransferOptions
from classify.transfer.study import Encoder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--labels")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    options = TransferOptions((args.cache,), labels=args.labels)
    of_head = options.of("logreg", args.cache)
    with sound(args.cache) as cache:
        selection = select(cache.utterances, of_head)
        found = matrix(selection, options)
        each = [with_features(selection, replace(of_head, layer=n), cache) for n in cache.layers]
        encoder = Encoder(options, cache, selection, found)
    parts = [part for cell in found.cells for part in cell.parts]
    print(
        f"{len(selection.y)} utterances, {len(found.cells)} cells, {len(each)} layers: "
        f"{len(each) * len(parts)} fits"
    )

    def ours(X: np.ndarray) -> np.ndarray:
        outputs = zip(found.cells, encoder.fit("logreg", replace(each[0], X=X)), strict=True)
        return np.concatenate([cell.classes[output.argmax(1)] for cell, output in outputs])

    command = ["transfer", "--cache", args.cache]
    command += ["--labels", args.labels] if args.labels else []
    compare([data.X for data in each], selection.y, parts, ours, command, args.rounds)


if __name__ == "__main__":
    main()
