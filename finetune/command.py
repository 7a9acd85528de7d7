"""``python -m extract finetune CORPUS… -o TUNED``: fine-tune an encoder, one per fold."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from classify.evaluation.scheduling import scheduled
from data import scheduler
from data.commands.corpora import add_reading, read
from data.console import (
    SOME_REFUSED,
    Parser,
    importing,
    show,
    show_json,
)
from data.errors import UsageError
from data.options import add_options, from_arguments
from data.recording import MAX_SECONDS
from data.text import several
from finetune.options import FinetuneOptions

if TYPE_CHECKING:
    from finetune.parts import Parts
    from finetune.run import Tuned, Watch
    from finetune.store import Result
    from finetune.training import Progress

log = logging.getLogger("wav2emo")

SHOWN = 5  # refusals
# Options that are not of the training
DESIGN = ("model", "method", "target", "labels", "folds", "pooling")


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m extract finetune",
        description="Fine-tune an encoder for each fold, on the speakers that the fold does not "
        "test. Run it again to continue after an interruption. See docs/finetuning.md.",
    )
    add = parser.add_argument
    add("corpora", nargs="+", metavar="CORPUS", help="as of 'python -m extract'")
    add("-o", "--out", type=Path, required=True, metavar="TUNED", help="folder to make or continue")
    add_options(parser, FinetuneOptions, *DESIGN)
    add("--fold", type=int, action="append", default=[], metavar="K",
        help="train the encoder of this fold only, from 0; may be repeated")  # fmt: skip
    add("--all", action="store_true", dest="everything",
        help="also train one encoder on all speakers, to predict new ones")  # fmt: skip
    add_options(parser.add_argument_group("training"), FinetuneOptions, without=DESIGN)
    group = parser.add_argument_group("corpora and machine")
    add = group.add_argument
    add_reading(group)
    add("--activations", type=Path, metavar="FILE", help="cache of the outputs of frozen layers, "
        "which several runs may share (default: TUNED/activations.h5)")  # fmt: skip
    add("--device", default="auto", choices=("auto", "cpu"), help="(default: %(default)s)")
    add("--jobs", type=int, default=min(8, os.cpu_count() or 1), metavar="N",
        help="threads that decode (default: %(default)s)")  # fmt: skip
    add("--scheduler", type=scheduler.parse, metavar="ADDRESS",
        help="train the folds on the workers of a Dask scheduler, with the same paths")  # fmt: skip
    add("--dry-run", action="store_true", help="print the plan: time and memory from ten measured "
        "steps")  # fmt: skip
    add("--json", action="store_true", help="print the scores as JSON")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    options = from_arguments(FinetuneOptions, arguments)
    if arguments.jobs < 1:
        raise UsageError(f"--jobs {arguments.jobs}: expected 1 or more")
    for package in ("accelerate", "peft"):
        if find_spec(package) is None:
            raise UsageError(f"fine-tuning needs {package}: pip install 'wav2emo[finetune]'")
    corpora = read(arguments)
    with importing():
        import transformers

        from data.cache.recipe import EVERYTHING
        from extract.pipeline import Settings
        from finetune.run import finetune

    transformers.utils.logging.disable_progress_bar()
    if arguments.dry_run:
        from finetune.plan import plan

        show(plan(corpora, options, arguments.everything, arguments.fold))
        return 0
    only = [f"fold-{number}" for number in arguments.fold]
    if only and arguments.everything:
        only.append(EVERYTHING)
    utterances = [utterance for corpus in corpora for utterance in corpus.utterances]
    bars = _Bars(arguments.quiet or not sys.stderr.isatty())
    try:
        with scheduled(arguments.scheduler):
            tuned = finetune(
                utterances,
                arguments.out.absolute(),
                options,
                only=only,
                everything=arguments.everything,
                activations=arguments.activations and arguments.activations.absolute(),
                device=arguments.device,
                settings=Settings(
                    max_seconds=MAX_SECONDS, threads=arguments.jobs, watch=bars.embedded
                ),
                watch=bars.watch(),
            )
    except KeyboardInterrupt:
        log.warning("stopped; finished epochs are kept: run the same command again to continue")
        raise
    except MemoryError:
        raise UsageError(
            "a batch does not fit into memory: use a smaller --batch-seconds (with a larger "
            "--accumulate), a smaller --max-seconds, or --gradient-checkpointing"
        ) from None
    finally:
        bars.close()
    if int(os.environ.get("RANK", 0)) == 0:
        _report(tuned, arguments)
    return SOME_REFUSED if tuned.refused else 0


def _report(tuned: "Tuned", arguments: argparse.Namespace) -> None:
    from classify.report.page import text
    from finetune.report import write

    for refusal in tuned.refused[:SHOWN]:
        log.error("%s: %s", refusal.utterance.file, refusal.reason)
    if tuned.refused:
        log.error("refused %s", several(len(tuned.refused), "utterance"))
    if tuned.missing:
        show(f"{arguments.out}: complete but for {', '.join(tuned.missing)}")
        return
    page = write(tuned, arguments.out)
    if arguments.json:
        show_json(tuned.outcome.as_json(), indent=2)
    else:
        show(
            text(page),
            "",
            f"encoders  {arguments.out}/fold-*",
            f"report    {arguments.out / 'report.html'}",
        )


class _Bars:
    """A progress bar for the activations, then one for each encoder."""

    def __init__(self, disabled: bool) -> None:
        from tqdm import tqdm

        self._disabled = disabled
        self._make = tqdm
        self._bar: tqdm | None = None
        self._name = ""

    def watch(self) -> "Watch":
        """The functions that `finetune` calls."""
        from finetune.run import Watch

        return Watch(self._begun, self._progress, self._done)

    def close(self) -> None:
        """End the current bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def embedded(self, seconds: float) -> None:
        """Count an utterance whose frozen layers are computed."""
        if self._bar is None:
            self._bar = self._make(unit="utt", desc="frozen layers", dynamic_ncols=True,
                                   disable=self._disabled)  # fmt: skip
        self._bar.update()

    def _begun(self, part: "Parts", steps: int) -> None:
        self.close()
        self._name = part.name
        self._bar = self._make(total=steps, unit="step", desc=part.name, dynamic_ncols=True,
                               disable=self._disabled, smoothing=0.05)  # fmt: skip

    def _progress(self, progress: "Progress") -> None:
        if self._bar is None:
            return
        if progress.loss is None:
            done = round(progress.epoch / progress.epochs * (self._bar.total or 0))
            self._bar.update(done - self._bar.n)
            return
        inner = "" if progress.score is None else f", inner speakers {progress.score:.3f}"
        epoch = f"epoch {progress.epoch:.0f} of {progress.epochs}"
        self._bar.set_postfix_str(f"{epoch}, loss {progress.loss:.3f}{inner}")
        log.debug("%s: %s, loss %.3f%s", self._name, epoch, progress.loss, inner)

    def _done(self, part: "Parts", result: "Result") -> None:
        self.close()
        epochs = len(result.history.get("train_loss", ()))
        log.info("%s: epoch %d of %d is kept, %.0f s", part.name, result.epoch, epochs,
                 result.seconds)  # fmt: skip
