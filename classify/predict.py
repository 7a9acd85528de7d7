"""``python -m classify predict``: emotions of new recordings, or numbers, by a saved head."""

import argparse
import csv
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from classify.stream import options as stream_options
from data.console import SOME_REFUSED, common_options, configure_logging
from data.errors import CorpusError

if TYPE_CHECKING:
    from classify.listener import Answer
    from data.utterance import Utterance

log = logging.getLogger("wav2emo")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m classify predict",
        description="Say the emotions of new recordings. A recording that cannot be read gets a "
        "line on standard error and does not stop the others; the exit status is 3 then.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder from 'classify train'")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="recordings, folders of them, or tables with the columns file[,start,end]",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--csv",
        action="store_true",
        help="file, emotion, a probability per class; of a regression: file, a number per target",
    )
    form.add_argument("--json", action="store_true", help="the same as a list of objects")
    parser.add_argument(
        "--encoder", metavar="PATH", help="where the head's encoder is, if it has moved"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda[:N] or mps")
    parser.add_argument(
        "--follow-links", action="store_true", help="read what links and '..' lead to outside"
    )
    parser.add_argument("--window", type=float, metavar="SECONDS")
    parser.add_argument("--hop", type=float, metavar="SECONDS")
    parser.add_argument("--rate", type=int, metavar="HZ", help="16000 if not given")
    parser.add_argument("--channels", type=int, metavar="N", help="1 if not given")
    parser.add_argument("--encoding", help="s16le if not given")
    form.add_argument("--jsonl", action="store_true")
    stream_options.add_arguments(parser)
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    if arguments.stream:
        from classify.stream import command

        return command.run(arguments)

    from classify.listener import Answer, Listener
    from classify.model import Model

    model = Model.load(arguments.model)
    if not (arguments.csv or arguments.json):
        log.info("%s on %s", model.card["head"], model.encoder)
    utterances, problems = find([Path(name) for name in arguments.inputs], arguments.follow_links)
    refused = list(problems)

    def answers() -> Iterator[Answer]:
        if not utterances:
            return
        listener = Listener.open(model, arguments.device, arguments.encoder)
        for result in listener(utterances):
            if isinstance(result, Answer):
                yield result
            else:
                refused.append(f"{result.utterance.file}: {result.reason}")
                log.error("%s", refused[-1])

    for problem in problems:
        log.error("%s", problem)
    if arguments.csv:
        segments = any(utterance.start or utterance.end for utterance in utterances)
        print_csv(answers(), model.targets or ["emotion", *model.classes], segments)
    elif arguments.json:
        print_json(answers())
    else:
        print_table(answers(), model.targets or model.classes)
    return SOME_REFUSED if refused else 0


def find(paths: Sequence[Path], follow_links: bool = False) -> tuple[list["Utterance"], list[str]]:
    """What there is to listen to, in the order given, and a line on each path that is not."""
    from data import corpora
    from data.corpora.tree import TABLES, walk
    from data.utterance import Utterance

    found: list[Utterance] = []
    problems: list[str] = []
    for path in paths:
        try:
            if path.suffix.lower() in TABLES:
                table = corpora.read(path, "table", follow_links=follow_links)
                found += table.utterances
                problems += [f"{path}: {warning}" for warning in table.warnings]
            else:
                tree = walk(path, follow_links)
                found += [
                    Utterance(id=str(tree.root / name), corpus="", root=tree.root, path=name)
                    for name in tree.recordings
                ]
        except CorpusError as error:
            problems.append(str(error))
    return found, problems


def print_csv(answers: Iterable["Answer"], columns: Sequence[str], segments: bool) -> None:
    """``file`` and the `columns` of the answers, each line as soon as it is known.

    Where there are segments of recordings, ``start`` and ``end`` follow the file.
    """
    place = ["file", "start", "end"] if segments else ["file"]
    writer = csv.DictWriter(sys.stdout, [*place, *columns], lineterminator="\n")
    writer.writeheader()
    for answer in answers:
        writer.writerow({**answer.place, **answer.cells})
        sys.stdout.flush()


def print_json(answers: Iterable["Answer"]) -> None:
    """A list of objects, in one piece."""
    rows = [{**answer.place, **answer.said} for answer in answers]
    print(json.dumps(rows, indent=2, ensure_ascii=False))


def print_table(answers: Iterable["Answer"], names: Sequence[str]) -> None:
    """For people: the two most probable classes, or all numbers, then the recording."""
    width = max(map(len, names)) + 2
    for answer in answers:
        ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])[:2]
        shown = answer.numbers.items() or ranked
        cells = "".join(f"{name:{width}}{share:4.2f}   " for name, share in shown)
        file, *seconds = map(str, answer.place.values())
        print(cells + " ".join([file, "–".join(seconds)]).rstrip(), flush=True)
