"""``python -m data info CACHE``: print a summary of a cache."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.cache.recipe import in_words
from data.console import Parser, show, show_json
from data.text import Lines, lines


def parser() -> Parser:
    """The command line of ``python -m data info``."""
    parser = Parser(prog="python -m data info", description="Print a summary of a cache.")
    parser.add_argument("cache", type=Path, help="a cache file, or a folder of cache files")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    return parser


def main(argv: Sequence[str]) -> int:
    """Print a summary of a cache."""
    args = parser().arguments(argv)
    from data.cache import Cache
    from data.cache.summary import summary

    with Cache(args.cache) as cache:
        content = summary(cache)
    if args.json:
        show_json(content, indent=2)
    else:
        show(_screen(content))
    return 0


def _screen(content: dict[str, Any]) -> Lines:
    layers = f"{content['layers'][0]}–{content['layers'][-1]}" if content["layers"] else "none"
    files = f" in {content['files']} files" if content["files"] > 1 else ""
    text = [
        f"{content['path']}: {content['utterances']} utterances, {content['hours']:.2f} h, "
        f"{content['bytes'] / 1e6:.0f} MB{files}",
        f"  {in_words(content['recipe'])}",
        f"  layers {layers} × {', '.join(content['pooling'])} × {content['dim']}",
    ]
    if content["sequence_layers"]:
        kept = ", ".join(map(str, content["sequence_layers"]))
        text.append(f"  sequences of layers {kept}, {content['recipe']['sequence_rate']:g} steps/s")
    if content["baselines"]:
        text.append(f"  baselines {', '.join(content['baselines'])}")
    for name, corpus in content["corpora"].items():
        emotions = ", ".join(f"{label or '?'} {n}" for label, n in corpus["emotions"].items())
        text += [
            "",
            f"{name}: {corpus['utterances']} utterances, {corpus['speakers']} speakers, "
            f"{corpus['hours']:.2f} h",
            f"  {emotions}",
        ]
    if content["conditions"]:
        text += ["", "conditions, with the mean of the measured levels:"]
        width = max(map(len, content["conditions"]))
        for name, found in content["conditions"].items():
            level = "" if found["achieved"] is None else f", {found['achieved']:.4g}"
            text.append(f"  {name:{width}}  {found['utterances']} utterances{level}")
    text += ["", f"recipe {content['fingerprint'][:16]}…"]
    for key, value in content["recipe"].items():
        if key not in ("layers", "pooling", "layer_convention", "sequence_layers", "baselines"):
            text.append(f"  {key:14} {_shown(key, value)}")
    made = ", ".join(f"{k} {v}" for k, v in content["provenance"].items() if v and k != "created")
    return lines([*text, "", f"made with {made}"])


def _shown(key: str, value: object) -> str:
    if key == "control" and value:
        return "yes: random weights, no model of speech"
    return {"None": "none", "True": "yes", "False": "no"}.get(str(value), str(value))
