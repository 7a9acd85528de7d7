"""Light heads on cached embeddings: cross-validation, probing, training and prediction.

``classify.evaluate`` cross-validates a head, ``classify.probe`` compares the layers of a cache, and
``classify.Model`` is a trained head that predicts from audio. Names are imported when they are
used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classify.evaluation.run import Run as Run
    from classify.evaluation.run import evaluate as evaluate
    from classify.inference.model import Model as Model
    from classify.inference.predictor import Answer as Answer
    from classify.inference.timeline import Timeline as Timeline
    from classify.options import Options as Options
    from classify.probing.options import ProbeOptions as ProbeOptions
    from classify.probing.study import probe as probe
    from extract.decoding import Refusal as Refusal

_HOMES = {
    "Answer": "classify.inference.predictor",
    "Model": "classify.inference.model",
    "Options": "classify.options",
    "ProbeOptions": "classify.probing.options",
    "Refusal": "extract.decoding",
    "Run": "classify.evaluation.run",
    "Timeline": "classify.inference.timeline",
    "evaluate": "classify.evaluation.run",
    "probe": "classify.probing.study",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    """Import a name when it is used, so that ``--help`` is fast."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'classify' has no attribute {name!r}")
