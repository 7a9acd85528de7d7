"""Read the corpora that a command names, and log what is found."""

import argparse
from typing import TYPE_CHECKING

from data.console import log
from data.text import several

if TYPE_CHECKING:
    from data.corpora import Corpus


def add_reading(parser: "argparse.ArgumentParser | argparse._ArgumentGroup") -> None:
    """Add the options of `read`."""
    add = parser.add_argument
    add("--corpus", metavar="NAME", help="name of the corpora, if it is not recognised")
    add("--pattern", help="fields in the paths, such as '{speaker}/{emotion}_{take}.wav'")
    add("--table", metavar="NAME", help="table of an audformat database (default: all tables of "
        "emotions)")  # fmt: skip
    add("--follow-links", action="store_true", help="also read recordings outside of the corpora")


def read(args: argparse.Namespace) -> "list[Corpus]":
    """The corpora of ``args.corpora``.

    Raises:
        CorpusError, UsageError: see `data.corpora.read_all`.
    """
    from data import corpora

    found = corpora.read_all(args.corpora, args.corpus, args.pattern, args.follow_links, args.table)
    for corpus in found:
        for warning in corpus.warnings:
            log.warning("%s: %s", corpus.name, warning)
        log.info(
            "%s: %s in %s", corpus.name, several(len(corpus.utterances), "utterance"), corpus.root
        )
    return found
