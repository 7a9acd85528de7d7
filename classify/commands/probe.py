"""``python -m classify probe``: probes on every layer of a cache, with controls and an audit."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from classify.commands.arguments import (
    add_allow_heard,
    add_folds,
    add_poolings,
    add_scheduler,
    add_seed,
    add_selection,
)
from classify.commands.studies import add_output, finish
from classify.evaluation.scheduling import scheduled
from classify.options import split_names, split_one
from classify.probing.options import CONFOUNDS, PROBES, REMOVALS, ProbeOptions
from data.console import (
    Parser,
    common_options,
    complain,
    configure_logging,
    importing,
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify probe",
        description="Probe every layer of a cache for the emotion and what may be mistaken for it, "
        "by linear heads on speaker-independent folds: table here, files in the run's folder.",
    )
    _add_arguments(parser)
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if a check of the audit fails"
    )
    add_output(parser, "probe")
    add_scheduler(parser)
    common_options(parser)
    return parser


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the probe."""
    default = ProbeOptions
    add_selection(parser)
    parser.add_argument(
        "--targets",
        type=split_one,
        default=default.targets,
        metavar="COLUMNS",
        help="columns joined by commas (default: emotion and, without --quick, those known of "
        f"{', '.join(CONFOUNDS)})",
    )
    parser.add_argument(
        "--head",
        metavar="HEAD",
        default=default.head,
        help=f"{', '.join(PROBES)}, or any class with scikit-learn's interface, such as "
        "sklearn.naive_bayes:GaussianNB, which fits more slowly (default: %(default)s)",
    )
    parser.add_argument(
        "--C",
        type=float,
        metavar="C",
        help="inverse strength of the regularisation (default: chosen from 7 by 3 inner folds of "
        "speakers in each training part; with --quick the head's own)",
    )
    add_poolings(parser)
    add_folds(parser)
    add_seed(parser)
    add_allow_heard(parser)
    parser.add_argument("--quick", action="store_true", help="only the curves and their intervals")
    parser.add_argument(
        "--control",
        type=Path,
        metavar="FILE",
        help="cache of the same recordings by an untrained encoder, as a control",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="cache whose layers are compared with these (CKA)",
    )
    parser.add_argument(
        "--remove",
        choices=REMOVALS,
        help="probe emotion again without each speaker's mean or the subspace of speakers",
    )
    parser.add_argument(
        "--mdl",
        action="store_true",
        help="compute the description length of the labels by online coding",
    )
    parser.add_argument(
        "--shuffles",
        type=int,
        default=default.shuffles,
        metavar="N",
        help="number of fits with shuffled labels (default: %(default)s)",
    )


def _options(arguments: argparse.Namespace) -> ProbeOptions:
    given = vars(arguments)
    chosen = {name: given[name] for name in ProbeOptions.__dataclass_fields__}
    return ProbeOptions(**{**chosen, "corpora": split_names(chosen["corpora"])})


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    options = _options(arguments)

    with importing():
        from classify.probing.study import probe
        from classify.report import folder as run_folder
        from classify.report import probe_text as table
        from classify.report.write import of_probe

    run_folder.check(arguments.out)
    with scheduled(arguments.scheduler):
        result = probe(options, command_line(options))
    finish(of_probe(result), arguments, lambda: table.render(result))
    if arguments.strict and not result.audit.passed:
        complain("error: --strict: the audit failed; see above")
        return 1
    return 0


def command_line(options: ProbeOptions) -> str:
    """The command that reproduces these numbers in the folder of the caches."""
    default = ProbeOptions()
    words = ["python", "-m", "classify", "probe", "--cache", options.cache.name]
    values = options.as_json()
    for name, value in values.items():
        if value == default.as_json().get(name):
            continue
        flag = {"corpora": "corpus", "poolings": "pooling", "allow_heard": "allow-heard"}
        words.append(f"--{flag.get(name, name)}")
        if value is not True:
            words.append(",".join(value) if isinstance(value, tuple) else str(value))
    return shlex.join(words)
