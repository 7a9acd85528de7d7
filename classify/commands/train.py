"""``python -m classify train``: fit a head on all utterances of a cache and save it."""

from collections.abc import Sequence
from pathlib import Path

from classify.commands.arguments import add_jobs
from classify.options import Options
from data.console import Parser, show
from data.options import add_options, from_arguments, names_in


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify train",
        description="Fit one head on everything that is chosen and save it. Linear heads choose "
        "their layer and C, unless these are given, by folds of speakers. The whole is "
        "cross-validated too: scores, calibration and a model card go into the model's folder.",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="MODEL",
        help="folder of the model; an older model in it is overwritten",
    )
    add_options(parser, Options, without=["seeds", "allow_heard"])
    parser.add_argument(
        "--fit-only",
        action="store_true",
        help="skip cross-validation: the model has no scores and is not calibrated",
    )
    parser.add_argument(
        "--augment",
        type=names_in,
        default=(),
        metavar="CONDITIONS",
        help="train also on copies in these conditions of the cache (names or kinds joined by "
        "commas, or all), if folds of the training speakers find that this helps in clean and "
        "degraded speech",
    )
    add_jobs(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    options = from_arguments(Options, arguments)

    from classify.models import folder
    from classify.models import train as fit
    from classify.report import model_text

    folder.check(arguments.out)
    scored = not arguments.fit_only
    model = fit.train(options, arguments.jobs, scored, arguments.augment)
    model.save(arguments.out)
    show(model_text.render(model))
    show(f"model        {arguments.out}")
    return 0
