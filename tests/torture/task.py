"""One task of a job array with the stand-in encoder, as a script that tests kill.

    python task.py CORPUS… -o CACHE --part K/N [--elsewhere]

``--elsewhere``: on a machine of its own, whose locks do not reach those of others.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from data import machine


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--part", required=True)
    parser.add_argument("--audio-prefix", action="append", default=[])
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--weights", default="ours")
    parser.add_argument("--elsewhere", action="store_true")
    args = parser.parse_args()
    if args.elsewhere:  # before anything has imported it
        machine.machine = lambda: f"machine {os.getpid()}"
        machine.flock = lambda descriptor, operation: True

    from standin import StandIn

    from data import corpora, scan
    from data.cache import lock
    from extract import pipeline, shard_writer
    from extract.parallel.paths import parse_prefix, placed
    from extract.parallel.shards import Part, Share

    lock.LEASE, lock.RENEWAL, lock.POLL = 2.0, 0.2, 0.02
    shard_writer.SHARD_UTTERANCES = 20
    prefixes = [parse_prefix(text) for text in args.audio_prefix]
    found = [
        replace(corpus, utterances=tuple(placed(corpus.utterances, prefixes)))
        for corpus in corpora.read_all(args.corpora)
    ]
    utterances = [utterance for corpus in found for utterance in corpus.utterances]
    share = Share.of(utterances, scan.seconds(found, quiet=True), Part.parse(args.part))
    settings = pipeline.Settings(batch_seconds=2.0)
    engine = StandIn(slow=args.slow, weights=args.weights)
    summary = pipeline.extract(share, engine, args.out, settings)
    print(summary.embedded, summary.cached, summary.missing, summary.packed, flush=True)
    return 3 if summary.refused else 0


if __name__ == "__main__":
    from data.console import configure_logging, run

    configure_logging(False, False)
    sys.exit(run(main))
