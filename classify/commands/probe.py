"""``python -m classify probe``: every layer of a cache, with what makes the curve believable."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from classify.evaluation.scheduling import add_scheduler, scheduled
from classify.probing.options import ProbeOptions, add_arguments
from data.console import Parser, common_options, complain, configure_logging, show, show_json


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify probe",
        description="Probe every layer of a cache for the emotion and what may be mistaken for it, "
        "by linear heads on speaker-independent folds: table here, files in the run's folder.",
    )
    add_arguments(parser)
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 where a check of the audit fails"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the run's folder; one with an older run is overwritten (default: runs/<time>-probe)",
    )
    parser.add_argument("--json", action="store_true", help="print probe.json, not the table")
    add_scheduler(parser)
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    options = ProbeOptions.from_arguments(arguments)

    from classify.probing.study import probe
    from classify.report import folder as run_folder
    from classify.report import probe_text as table
    from classify.report.probe_folder import write

    run_folder.check(arguments.out)
    with scheduled(arguments.scheduler):
        result = probe(options, command_line(options))
    folder = write(result, options, arguments.out)
    if arguments.json:
        show_json(result.metrics, indent=2)
    else:
        show(table.render(result.metrics))
        show("", f"report  {folder / 'report.html'}")
    if arguments.strict and not result.metrics["audit"]["passed"]:
        complain("error: --strict: the audit failed; see above")
        return 1
    return 0


def command_line(options: ProbeOptions) -> str:
    """The command that gives these numbers again, in a folder where the caches lie."""
    default = ProbeOptions()
    words = ["python", "-m", "classify", "probe", "--cache", options.cache.name]
    values = options.as_json()
    for name, value in values.items():
        if value == default.as_json()[name]:
            continue
        flag = {"corpora": "corpus", "poolings": "pooling"}.get(name, name)
        words.append(f"--{flag}")
        if value is not True:
            words.append(",".join(value) if isinstance(value, tuple) else str(value))
    return shlex.join(words)
