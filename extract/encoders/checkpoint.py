"""Find the checkpoint of an encoder: a folder, a model of the Hugging Face hub, or an untrained
control. This module does not import torch, so that a missing checkpoint is reported at once.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from data.errors import EncoderError
from data.text import lines

FINETUNED = "finetune.json"  # in the folder above the checkpoints of a fine-tuning
HUB_TIMEOUT = 5.0  # seconds to wait for the first response of the hub


@dataclass(frozen=True)
class Checkpoint:
    """The origin of an encoder."""

    name: str  # hub name, folder name, or untrained[:size]
    folder: Path | None = None  # None: untrained
    revision: str | None = None  # commit on the hub


def find(name: str) -> Checkpoint:
    """Find the checkpoint of an encoder; download it from the hub if it is not on this machine.

    Raises:
        EncoderError: the checkpoint cannot be found or downloaded.
    """
    if name.partition(":")[0] == "untrained":
        return Checkpoint(name)
    folder = Path(name).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        tuned = (folder.parent / FINETUNED).exists()
        return Checkpoint(f"{folder.parent.name}/{folder.name}" if tuned else folder.name, folder)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise EncoderError(f"no model at {name}: neither a folder nor a hub name (user/model)")
    folder = _fetch(name)
    return Checkpoint(name, folder, revision=folder.name)


def _fetch(name: str) -> Path:
    """Return the snapshot of a model of the hub, from the network or the local cache."""
    from huggingface_hub import errors

    try:
        return Path(_download(name))
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise EncoderError(
            f"{name!r} is neither a model on the hub nor a folder; check the spelling"
        ) from None
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, OSError):
        raise EncoderError(
            lines(
                [
                    f"{name} is not on this machine and the hub cannot be reached. Use one of:",
                    "  --model PATH        a folder saved by save_pretrained",
                    "  HF_HOME=PATH        a Hugging Face cache that was filled elsewhere",
                    "  --model untrained   a control with random weights, which needs no download",
                ]
            )
        ) from None


def _download(name: str) -> str:
    from huggingface_hub import HfApi, errors, snapshot_download

    try:
        files = {f.rfilename for f in HfApi().model_info(name, timeout=HUB_TIMEOUT).siblings or ()}
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise
    except Exception:  # offline errors have many types; the model may be in the local cache
        return snapshot_download(name, local_files_only=True)
    wanted = ["*.json", *weights(files)]
    return snapshot_download(name, allow_patterns=wanted, etag_timeout=HUB_TIMEOUT)


def weights(files: Collection[str]) -> list[str]:
    """Names of the files of a model that have its weights: safetensors, else pickled.

    Adapters for languages (MMS) and copies in another precision (Whisper) are left out.

    >>> weights(["model.fp32-00001-of-00002.safetensors", "model.safetensors", "adapter.deu.bin"])
    ['model.safetensors']
    """
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        name = re.compile(rf"{stem}(-[0-9]+-of-[0-9]+)?\.{suffix}")
        if found := sorted(filter(name.fullmatch, files)):
            return found
    return []
