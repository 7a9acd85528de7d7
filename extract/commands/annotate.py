"""``python -m extract annotate MODEL --trained-on CORPUS…``: record what an encoder has heard."""

import os
from collections.abc import Sequence
from pathlib import Path

from data.commands.corpora import add_reading, read
from data.console import Parser, log, show
from data.errors import UsageError
from data.text import several


def parser() -> Parser:
    """The command line of ``python -m extract annotate``."""
    parser = Parser(
        prog="python -m extract annotate",
        description="Record the recordings that an encoder was trained on beside its weights. "
        "'python -m classify' then refuses to test on them and on their speakers.",
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="folder of a checkpoint")
    add("--trained-on", nargs="+", required=True, metavar="CORPUS", dest="corpora",
        help="a folder, a table, or a list of 'data scan -o'")  # fmt: skip
    add_reading(parser)
    add("--jobs", type=int, default=min(8, os.cpu_count() or 1), metavar="N",
        help="threads that decode (default: %(default)s)")  # fmt: skip
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status."""
    arguments = parser().arguments(argv)
    folder: Path = arguments.model
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"{folder}: not the folder of a checkpoint, config.json is missing; of a model of the "
            "hub, download it with 'hf download NAME --local-dir FOLDER', and annotate the folder"
        )

    import pandas as pd

    from extract.encoders import trained_on
    from extract.recordings import recordings

    utterances = [utterance for corpus in read(arguments) for utterance in corpus.utterances]
    table, refused = recordings(utterances, arguments.jobs)
    for refusal in refused:
        log.warning("%s: %s", refusal.utterance.file, refusal.reason)
    before = trained_on.read(folder)
    rows = pd.concat([table.assign(role="fitted"), *([] if before is None else [before])])
    rows = rows.drop_duplicates("id", keep="last")
    trained_on.write(folder, rows)
    show(f"{folder}: trained on {several(len(rows), 'recording')}, as {trained_on.FILE} says")
    return 0
