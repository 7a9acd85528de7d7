"""The corpora that a command names."""

import argparse

from data import corpora
from data.console import log
from data.corpora import Corpus
from data.text import several


def add_reading(parser: "argparse.ArgumentParser | argparse._ArgumentGroup") -> None:
    """Add the options of `read`."""
    add = parser.add_argument
    add("--corpus", metavar="NAME", help=f"one of {', '.join(corpora.names())} (default: recognise "
        "it by its file names)")  # fmt: skip
    add("--pattern", help="fields in the paths of a folder, such as "
        "'{speaker}/{emotion}_{take}.wav'")  # fmt: skip
    add("--table", metavar="NAME", help="table of an audformat database (default: all tables of "
        "emotions)")  # fmt: skip
    add("--follow-links", action="store_true", help="also read recordings outside of the corpora")


def read(arguments: argparse.Namespace, log_each: bool = True) -> list[Corpus]:
    """The corpora of ``arguments.corpora``.

    Args:
        arguments: of a parser with `add_reading`.
        log_each: whether the size and the warnings of each corpus are logged.

    Raises:
        CorpusError, UsageError: see `data.corpora.read_all`.
    """
    found = corpora.read_all(
        arguments.corpora,
        arguments.corpus,
        arguments.pattern,
        arguments.follow_links,
        arguments.table,
    )
    for corpus in found if log_each else ():
        for warning in corpus.warnings:
            log.warning("%s: %s", corpus.name, warning)
        count = several(len(corpus.utterances), "utterance")
        log.info("%s: %s in %s", corpus.name, count, corpus.root)
    return found
