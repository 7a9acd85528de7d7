"""``python -m data unpack DATASET -o FOLDER``: make files of the recordings in Parquet files."""

from collections.abc import Sequence
from pathlib import Path

from data.console import Parser, show
from data.text import several


def parser() -> Parser:
    """The command line of ``python -m data unpack``."""
    parser = Parser(
        prog="python -m data unpack",
        description="Write the recordings inside of the Parquet or Arrow files of a Hugging Face "
        "data set to a folder that scan and extract read (an audiofolder).",
    )
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="folder or Parquet file")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FOLDER", help="the new folder"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Unpack a data set and print the next command."""
    args = parser().arguments(argv)
    from data.atomic import new_output
    from data.corpora.huggingface import unpack

    with new_output(args.out) as folder:
        folder.mkdir()
        count = unpack(args.dataset, folder)
    show(f"{args.out}: {several(count, 'recording')}", f"next: python -m data scan {args.out}")
    return 0
