"""Find an encoder's checkpoint: a folder, a name on the Hugging Face hub, or an untrained control.

Here is no torch: that a model is not to be had shows at once.
"""

from dataclasses import dataclass
from pathlib import Path

from data.errors import EncoderError
from data.text import lines

HUB_TIMEOUT = 5.0  # seconds to wait for the hub's first answer


@dataclass(frozen=True)
class Checkpoint:
    """Where an encoder comes from."""

    name: str  # hub name, folder name, or untrained[:size]
    folder: Path | None = None  # None: there is none, it is untrained
    revision: str | None = None  # the hub's commit


def find(name: str) -> Checkpoint:
    """Find the encoder called `name`; what is on the hub only is fetched.

    Raises:
        EncoderError: it is not to be had.
    """
    if name.partition(":")[0] == "untrained":
        return Checkpoint(name)
    folder = Path(name).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        return Checkpoint(folder.name, folder)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise EncoderError(f"no model at {name}: no such folder, and no hub name (user/model)")
    folder = _fetch(name)
    return Checkpoint(name, folder, revision=folder.name)


def _fetch(name: str) -> Path:
    """The snapshot of a hub's model, from the network or the local cache."""
    from huggingface_hub import errors

    try:
        return Path(_download(name))
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise EncoderError(
            f"the hub has no model {name!r}, and no folder is called so; check the spelling"
        ) from None
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, OSError):
        raise EncoderError(
            lines(
                [
                    f"{name} is not on this machine and the hub cannot be reached. Three ways out:",
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
    except Exception:  # offline, in the many ways in which that shows: perhaps it is here already
        return snapshot_download(name, local_files_only=True)
    safe = any(file.endswith(".safetensors") for file in files)
    weights = "*.safetensors*" if safe else "pytorch_model*.bin*"
    return snapshot_download(name, allow_patterns=["*.json", weights], etag_timeout=HUB_TIMEOUT)
