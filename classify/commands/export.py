"""``python -m classify export``: write a trained head and its encoder as one ONNX file."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from classify.commands.arguments import add_encoder, add_model
from data.cache.recipe import encoder_name
from data.console import Parser, show
from data.errors import UsageError
from data.text import several

NEEDED = ("onnx", "onnxruntime")


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify export",
        description="Write a model and its encoder as one ONNX graph, from waveforms to logits. "
        "The file is left only if it answers as the model does, alone and in a padded batch.",
    )
    add_model(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="file to write, such as model.onnx; an older file is replaced",
    )
    parser.add_argument(
        "--check",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="recordings on which graph and model are compared (default: noise of 0.025–4 s)",
    )
    add_encoder(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    require(arguments.out)

    from classify.models.trained import TrainedHead

    model = TrainedHead.load(arguments.model, estimator=True)

    from classify.export.write import export

    written = export(model, arguments.out, arguments.encoder, arguments.check)
    names = model.targets or model.classes
    shortest, longest = min(written.seconds), max(written.seconds)
    what = several(len(written.seconds), "recording" if arguments.check else "burst")
    what += "" if arguments.check else " of noise"
    show(f"head           {model.card['head']}, {model.features}")
    show(f"encoder        {encoder_name(model.recipe)}, computed in float32")
    show("signal         (batch, sample) float32 at 16 kHz, padded with zeros")
    show(f"lengths        (batch,) int64: samples of each, {written.shortest} or more")
    show(f"hidden_states  (batch, {written.dim}) float32: what the head sees")
    show(f"logits         (batch, {len(names)}) float32: {', '.join(names)}")
    show(f"checked on     {what}, {shortest:.3g}–{longest:.3g} s, alone and padded together;")
    show("               answers differ from the model's at most:")
    for agreement in written.agreements:
        show(f"  {agreement.runtime:20} {agreement}")
    show(f"file           {arguments.out}, {written.bytes / 1e6:.3g} MB")
    return 0


def require(out: Path) -> None:
    """Require that the libraries are installed and that `out` can be written.

    Raises:
        UsageError: a package is missing, or `out` cannot be written.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"{missing[0]} is not installed; pip install 'wav2emo[onnx]'")
    if out.is_dir():
        raise UsageError(f"-o {out}: a folder is there; name a file, such as {out / 'model.onnx'}")
    if not out.parent.is_dir():
        raise UsageError(f"-o {out}: there is no folder {out.parent}; make it first")
