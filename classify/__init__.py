"""Light heads on cached embeddings: cross-validation, training and prediction.

``classify.Model`` is a trained head that says the emotions of new recordings.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classify.inference.model import Model as Model
    from classify.inference.predictor import Answer as Answer
    from classify.inference.timeline import Timeline as Timeline
    from extract.decoding import Refusal as Refusal

__all__ = ["Answer", "Model", "Refusal", "Timeline"]

_HOMES = {
    "Answer": "classify.inference.predictor",
    "Model": "classify.inference.model",
    "Refusal": "extract.decoding",
    "Timeline": "classify.inference.timeline",
}


def __getattr__(name: str) -> object:
    """Import NumPy and scikit-learn only when a model is used: ``--help`` must answer at once."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'classify' has no attribute {name!r}")
