"""The options of ``python -m classify predict``, verified once."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from classify.inference import pcm
from classify.inference.pcm import PCM
from classify.inference.stream import options as stream_options
from data.console import Parser, common_options
from data.errors import UsageError

STANDARD_INPUT = "-"
FORMS = ("csv", "json", "jsonl")  # that have an option of their own


@dataclass(frozen=True)
class PredictOptions:
    """What to listen to, how, and what to say of it.

    Attributes:
        model: the model's folder.
        inputs: files, folders, globs, tables, or `STANDARD_INPUT`.
        form: one of `classify.inference.files.output.FORMATS`.
        window: seconds of a window that slides over each recording; None: whole recordings.
        hop: seconds from window to window; None: a third of a window.
        out: folder for timelines.
        raw: what standard input is if it has no header.
        encoder: where the model's encoder is, if it has moved.
        device: auto, cpu, cuda[:N] or mps.
        follow_links: read what links and ``..`` lead to outside.
    """

    model: Path
    inputs: tuple[str, ...]
    form: str = "table"
    window: float | None = None
    hop: float | None = None
    out: Path | None = None
    raw: PCM | None = None
    encoder: str | None = None
    device: str = "auto"
    follow_links: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Self:
        """The options that a command line asks for."""
        return cls(
            model=arguments.model,
            inputs=tuple(arguments.inputs),
            form=next((form for form in FORMS if getattr(arguments, form)), arguments.format),
            window=arguments.window,
            hop=arguments.hop,
            out=arguments.out,
            raw=PCM.from_arguments(arguments),
            encoder=arguments.encoder,
            device=arguments.device,
            follow_links=arguments.follow_links,
        )

    def __post_init__(self) -> None:
        if self.inputs.count(STANDARD_INPUT) > 1:
            raise UsageError("'-' is given twice; standard input can be read once")
        if self.raw and STANDARD_INPUT not in self.inputs:
            raise UsageError(
                "--rate, --channels and --encoding are for raw samples on standard input: "
                "add the input '-'"
            )
        if self.window is None and self.hop is not None:
            raise UsageError("--hop needs a window that hops: add --window 3")
        if self.window is None and self.out is not None:
            raise UsageError("--out keeps timelines: add --window 3")
        if self.out is not None and self.out.exists() and not self.out.is_dir():
            raise UsageError(f"--out {self.out}: a file is there; name a folder for the timelines")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify predict",
        description="Say the emotions of new recordings. A recording that cannot be read gets a "
        "line on standard error and does not stop the others; the exit status is 3 then.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder from 'classify train'")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="recordings, folders of them, globs such as 'calls/**/*.wav', tables with the columns "
        "file[,start,end], or '-': a recording on standard input",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--csv",
        action="store_true",
        help="file, emotion, a probability per class; of a regression: file, a number per target",
    )
    form.add_argument("--json", action="store_true", help="the same as a list of objects")
    form.add_argument(
        "--jsonl", action="store_true", help="an object a line, each as soon as it is known"
    )
    form.add_argument(
        "--format",
        default="table",
        metavar="NAME",
        help="table, csv, json or jsonl (default: table)",
    )
    add_window_arguments(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="of each timeline a CSV, an RTTM and a PNG"
    )
    stream_options.add_arguments(parser)
    pcm.add_arguments(parser)
    parser.add_argument(
        "--encoder", metavar="PATH", help="where the model's encoder is, if it has moved"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda[:N] or mps")
    parser.add_argument(
        "--follow-links", action="store_true", help="read what links and '..' lead to outside"
    )
    common_options(parser)
    return parser


def add_window_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--window`` and ``--hop``."""
    group = parser.add_argument_group("emotion over time, in recordings of any length")
    group.add_argument(
        "--window", type=float, metavar="SECONDS", help="slide a window over each recording"
    )
    group.add_argument(
        "--hop", type=float, metavar="SECONDS", help="from window to window (a third of a window)"
    )
