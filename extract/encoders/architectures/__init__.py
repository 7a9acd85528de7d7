"""Architectures of encoders, one module each, found by listing this folder.

A module has ``ARCHITECTURE``, an `extract.encoders.architecture.Architecture`.
"""

import importlib
import pkgutil

from data.errors import EncoderError
from extract.encoders.architecture import Architecture


def known() -> dict[str, Architecture]:
    """The architecture of every ``model_type``."""
    found: dict[str, Architecture] = {}
    for module in pkgutil.iter_modules(__path__):
        one = importlib.import_module(f"{__name__}.{module.name}").ARCHITECTURE
        found |= dict.fromkeys(one.model_types, one)
    return found


def architecture(model_type: str, name: str) -> Architecture:
    """The architecture of the checkpoint `name`.

    Raises:
        EncoderError: no module describes it.
    """
    found = known()
    if model_type not in found:
        raise EncoderError(f"{name} is a {model_type}; expected one of {', '.join(found)}")
    return found[model_type]
