"""The options of ``python -m classify predict``, verified once."""

from dataclasses import dataclass
from pathlib import Path

from classify.inference.pcm import PCM
from data.errors import UsageError
from data.options import option

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class PredictOptions:
    """Input, windows and output format."""

    model: Path  # the folder of the model
    inputs: tuple[str, ...]  # files, folders, globs, tables, or `STANDARD_INPUT`
    form: str = "table"  # one of `classify.inference.files.output.FORMATS`
    window: float | None = option(  # None: whole recordings
        None, "slide a window over each recording", metavar="SECONDS"
    )
    hop: float | None = option(
        None, "step between windows (default: a third of a window)", metavar="SECONDS"
    )
    out: Path | None = option(
        None, "folder for a CSV, an RTTM and a PNG file of each timeline", metavar="DIR"
    )
    raw: PCM | None = None  # format of standard input without a header
    encoder: str | None = None  # where the encoder of the model is, if it was moved
    device: str = "auto"  # auto, cpu, cuda[:N] or mps
    follow_links: bool = option(False, "follow links and '..' that lead out of a folder")
    language: str | None = option(
        None,
        "language of the recordings, such as de, if their table has no column language",
        metavar="CODE",
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
            raise UsageError("--hop needs --window, such as --window 3")
        if self.window is None and self.out is not None:
            raise UsageError("--out keeps timelines: add --window 3")
        if self.out is not None and self.out.exists() and not self.out.is_dir():
            raise UsageError(f"--out {self.out}: a file is there; name a folder for the timelines")
