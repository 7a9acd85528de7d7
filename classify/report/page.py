"""Pages that need nothing but themselves: no network, no other file."""

import base64
import json
from pathlib import Path

import jinja2

from data.cache.recipe import encoder_in_words

KINDS = {".png": "image/png", ".svg": "image/svg+xml"}


def page(template: str) -> jinja2.Template:
    """A template beside this file; it fails on what it is not given."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = "{:.3f}".format
    environment.filters["signed"] = lambda value: f"{value:+.3f}".replace("-", "−")
    environment.filters["plain"] = _plain
    environment.filters["encoder"] = encoder_in_words
    return environment.get_template(template)


def inline(path: Path) -> str:
    """A picture as a ``data:`` address, to stand inside of a page."""
    content = base64.b64encode(path.read_bytes()).decode()
    return f"data:{KINDS[path.suffix]};base64,{content}"


def _plain(value: object) -> str:
    """An option's value as a person would write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items()) or "default"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "all"
    return "default" if value is None else value if isinstance(value, str) else json.dumps(value)
