"""Fine-tune an encoder, per fold, on speakers that are not tested.

``finetune.finetune`` trains encoders and scores them. What is not trained is computed once and
cached. Importing this package does not import torch.
"""

from importlib import import_module

__all__ = ["FinetuneOptions", "finetune"]

_HOMES = {"FinetuneOptions": "finetune.options", "finetune": "finetune.run"}


def __getattr__(name: str) -> object:
    """Import what is used."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'finetune' has no attribute {name!r}")
