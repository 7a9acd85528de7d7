"""The options of ``python -m classify predict``, verified once."""

from dataclasses import dataclass
from pathlib import Path

from classify.inference.pcm import PCM
from data.errors import UsageError

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class PredictOptions:
    """Input, windows and output format.

    Attributes:
        model: the model's folder.
        inputs: files, folders, globs, tables, or `STANDARD_INPUT`.
        form: one of `classify.inference.files.output.FORMATS`.
        window: length of sliding windows in seconds; None: whole recordings.
        hop: seconds from window to window; None: a third of a window.
        out: folder for timelines.
        raw: format of standard input without a header.
        encoder: where the model's encoder is, if it has moved.
        device: auto, cpu, cuda[:N] or mps.
        follow_links: whether to read recordings outside of a corpus.
        language: of the recordings whose table has no column language.
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
    language: str | None = None

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
