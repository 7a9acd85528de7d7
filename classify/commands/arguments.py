"""Arguments that several commands of ``python -m classify`` share."""

import argparse
from pathlib import Path

from data import scheduler
from data.errors import UsageError


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model of a command."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder from 'classify train'")


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """Add ``--encoder``."""
    parser.add_argument(
        "--encoder", metavar="PATH", help="folder of the model's encoder, if it was moved"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` of an encoder."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda[:N] or mps")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add ``--jobs``."""
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=-1,
        metavar="N",
        help="maximum number of processes (default: the number of cores)",
    )


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--jobs {text!r}: expected a number from 1")
    return int(text)


def add_scheduler(parser: argparse.ArgumentParser) -> None:
    """Add ``--scheduler``."""
    parser.add_argument("--scheduler", type=scheduler.parse, metavar="ADDRESS", help=scheduler.HELP)
