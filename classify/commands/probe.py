"""``python -m classify probe``: probes on every layer of a cache, with controls and an audit."""

import shlex
from collections.abc import Sequence
from dataclasses import fields

from classify.commands.arguments import add_scheduler
from classify.commands.studies import add_output, finish
from classify.evaluation.scheduling import scheduled
from classify.probing.options import ProbeOptions
from data.console import Parser, complain, importing
from data.options import add_options, flag_of, from_arguments


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify probe",
        description="Probe every layer of a cache for the emotion and what may be mistaken for it, "
        "by linear heads on speaker-independent folds: table here, files in the run's folder.",
    )
    add_options(parser, ProbeOptions)
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if a check of the audit fails"
    )
    add_output(parser, "probe")
    add_scheduler(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    options = from_arguments(ProbeOptions, arguments)

    with importing():
        from classify.probing.study import probe
        from classify.report import folder as run_folder
        from classify.report.probe import report

    run_folder.check(arguments.out)
    with scheduled(arguments.scheduler):
        result = probe(options, command_line(options))
    finish(report(result), arguments)
    if arguments.strict and not result.audit.passed:
        complain("error: --strict: the audit failed; see above")
        return 1
    return 0


def command_line(options: ProbeOptions) -> str:
    """The command that reproduces these numbers in the folder of the caches."""
    words = ["python", "-m", "classify", "probe", "--cache", options.cache.name]
    default, values = ProbeOptions().as_json(), options.as_json()
    for one in fields(options):
        value = values.get(one.name)
        if value == default.get(one.name):
            continue
        words.append(flag_of(one))
        if value is not True:
            words.append(",".join(value) if isinstance(value, tuple) else str(value))
    return shlex.join(words)
