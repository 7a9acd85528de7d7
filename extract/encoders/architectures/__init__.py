"""Architectures of encoders; this folder contains one module for each.

A module defines ``ARCHITECTURE``, an `extract.encoders.architecture.Architecture`.
"""

import importlib
import pkgutil

from data.errors import EncoderError
from extract.encoders.architecture import Architecture


def known() -> dict[str, Architecture]:
    """All architectures: ``model_type`` → architecture."""
    architectures: dict[str, Architecture] = {}
    for module in pkgutil.iter_modules(__path__):
        one = importlib.import_module(f"{__name__}.{module.name}").ARCHITECTURE
        architectures |= dict.fromkeys(one.model_types, one)
    return architectures


def architecture(model_type: str | None, name: str) -> Architecture:
    """The architecture of the checkpoint `name`.

    Raises:
        EncoderError: the architecture is unknown.
    """
    architectures = known()
    if model_type not in architectures:
        raise EncoderError(
            f"{name} is a {model_type or 'model of no type'}, not a speech encoder that is read "
            "here; 'python -m extract --list-encoders' shows what is read"
        )
    return architectures[model_type]
