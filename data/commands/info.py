"""``python -m data info CACHE``: print what is in a cache, in one screen."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.cache.recipe import in_words
from data.console import Parser, common_options, configure_logging, show, show_json
from data.text import Lines, lines


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m data info``."""
    parser = Parser(prog="python -m data info", description="What is in a cache, in one screen.")
    parser.add_argument("cache", type=Path, help="a cache file, or a folder of cache files")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Print what is in a cache."""
    args = parser().parse_args(argv)
    configure_logging(args.verbose, args.quiet)
    from data.cache import Cache
    from data.cache.summary import summary

    with Cache(args.cache) as cache:
        found = summary(cache)
    if args.json:
        show_json(found, indent=2)
    else:
        show(_screen(found))
    return 0


def _screen(found: dict[str, Any]) -> Lines:
    layers = f"{found['layers'][0]}–{found['layers'][-1]}" if found["layers"] else "none"
    files = f" in {found['files']} files" if found["files"] > 1 else ""
    text = [
        f"{found['path']}: {found['utterances']} utterances, {found['hours']:.2f} h, "
        f"{found['bytes'] / 1e6:.0f} MB{files}",
        f"  {in_words(found['recipe'])}",
        f"  layers {layers} × {', '.join(found['pooling'])} × {found['dim']}",
    ]
    if found["sequence_layers"]:
        kept = ", ".join(map(str, found["sequence_layers"]))
        text.append(f"  sequences of layers {kept}, {found['recipe']['sequence_rate']:g} steps/s")
    if found["baselines"]:
        text.append(f"  baselines {', '.join(found['baselines'])}")
    for name, corpus in found["corpora"].items():
        emotions = ", ".join(f"{label or '?'} {n}" for label, n in corpus["emotions"].items())
        text += [
            "",
            f"{name}: {corpus['utterances']} utterances, {corpus['speakers']} speakers, "
            f"{corpus['hours']:.2f} h",
            f"  {emotions}",
        ]
    text += ["", f"recipe {found['fingerprint'][:16]}…"]
    for key, value in found["recipe"].items():
        if key not in ("layers", "pooling", "layer_convention", "sequence_layers", "baselines"):
            text.append(f"  {key:14} {_shown(key, value)}")
    made = ", ".join(f"{k} {v}" for k, v in found["provenance"].items() if v and k != "created")
    return lines([*text, "", f"made with {made}"])


def _shown(key: str, value: object) -> str:
    if key == "control" and value:
        return "yes: random weights, no model of speech"
    return {"None": "none", "True": "yes", "False": "no"}.get(str(value), str(value))
