"""The identity of an encoder, which is kept between runs so that a run need not load the encoder.

The identity of a checkpoint includes the SHA-256 of its parameters, for which torch has to load it.
It is therefore kept in a small file, which is valid as long as the files of the checkpoint have the
same sizes and times of change, and the libraries have the same versions. Whatever embeds audio also
compares the contents of these files (`Remembered.verify`). This module does not import torch.
"""

import contextlib
import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

from data.atomic import publish_bytes
from data.cache.recipe import fingerprint
from data.errors import EncoderError
from data.recording import SAMPLING_RATE
from extract.audio import checksum
from extract.encoders.checkpoint import Checkpoint
from extract.encoders.framing import frames, samples_under
from extract.hardware import cpu_name

log = logging.getLogger("wav2emo")

LIBRARIES = ("torch", "transformers")  # determine the parameters that a checkpoint gives
SUFFIXES = (".json", ".safetensors", ".bin", ".parquet")


@dataclass(frozen=True)
class Identity:
    """Name, checksum and layout of an encoder."""

    name: str  # hub name, folder name, or untrained[:size]
    revision: str | None  # commit on the hub
    weights: str  # SHA-256 of all parameters
    control: bool  # whether the weights are random
    normalise: bool  # whether waveforms are scaled to zero mean and unit variance
    location: str | None  # folder of the checkpoint
    architecture: str  # its model_type in transformers
    config: str  # SHA-256 of its configuration
    depth: int  # number of transformer layers
    sizes: tuple[tuple[int, int], ...]  # (kernel, stride) of each convolution of the front end
    squeeze: int = 1  # features that the transformer joins to one frame
    front_end: str = ""  # description of one that is not convolutions
    traceable: bool = True  # whether it can be converted for OpenVINO, and exported to ONNX
    trained_on: str | None = None  # checksum of the list of recordings, if it is known

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return SAMPLING_RATE / prod(stride for _, stride in self.sizes) / self.squeeze

    @property
    def receptive_field(self) -> int:
        """Number of samples under one frame."""
        return samples_under(self.squeeze, self.sizes)

    def frames(self, samples: int) -> int:
        """Number of frames of hidden states."""
        return frames(samples, self.sizes) // self.squeeze


def cache_folder() -> Path:
    """Folder of what is kept between runs; it may be removed at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "wav2emo"


class Remembered:
    """The remembered identity of a checkpoint."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._state = _state(checkpoint)
        name = hashlib.sha256(self._state["place"].encode()).hexdigest()[:32]
        self._file = cache_folder() / "encoders" / f"{name}.json"

    def read(self) -> Identity | None:
        """The identity; None if it is not known for the present state of the checkpoint."""
        kept = self._read()
        if kept is None or kept["state"] != self._state:
            return None
        sizes = tuple((kernel, stride) for kernel, stride in kept["sizes"])
        return Identity(**kept["identity"] | self._found(), sizes=sizes)

    def write(self, identity: Identity) -> None:
        """Keep the identity, if that is possible."""
        own = asdict(identity) | self._found()
        sizes = own.pop("sizes")
        kept = {"state": self._state, "identity": own, "sizes": sizes, "contents": self._contents()}
        text = json.dumps({"checksum": fingerprint(kept), "kept": kept}, indent=1)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            publish_bytes(self._file, text.encode())
        except OSError as error:
            log.debug("%s is not stored: %s", self._file, error)

    def verify(self) -> None:
        """Compare the contents of the checkpoint's files with those of the remembered identity.

        Raises:
            EncoderError: they differ, although sizes and times of change are the same.
        """
        kept = self._read()  # None: another process has removed it
        if kept is not None and kept["contents"] != self._contents():
            raise self.changed()

    def changed(self) -> EncoderError:
        """Forget the identity; return the error to raise."""
        with contextlib.suppress(OSError):
            self._file.unlink()
        return EncoderError(
            f"{self._checkpoint.name}: its files have changed, but not their sizes and times; run "
            "the same command again to read them anew"
        )

    def _read(self) -> dict[str, Any] | None:
        """The content of the file; None if it is missing or damaged."""
        try:
            found = json.loads(self._file.read_bytes())
            return found["kept"] if fingerprint(found["kept"]) == found["checksum"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _found(self) -> dict[str, Any]:
        """The fields that depend on the place of the checkpoint."""
        checkpoint = self._checkpoint
        location = None if checkpoint.folder is None else str(checkpoint.folder)
        return {
            "name": checkpoint.name, "revision": checkpoint.revision, "location": location
        }  # fmt: skip

    def _contents(self) -> dict[str, str]:
        """SHA-256 of each file of the checkpoint."""
        return {file.name: checksum(file) for file in _files(self._checkpoint)}


def _files(checkpoint: Checkpoint) -> list[Path]:
    folder = checkpoint.folder
    found = [] if folder is None else list(folder.iterdir())
    return sorted(file for file in found if file.suffix in SUFFIXES and file.is_file())


def _state(checkpoint: Checkpoint) -> dict[str, Any]:
    """The state that the identity depends on, without reading the checkpoint."""
    stats = {file.name: file.stat() for file in _files(checkpoint)}
    return {
        "place": str(checkpoint.folder or checkpoint.name),
        "files": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()},
        "libraries": {name: version(name) for name in LIBRARIES},
        # random weights depend on the instructions of the CPU
        "cpu": None if checkpoint.folder else [cpu_name(), os.environ.get("ATEN_CPU_CAPABILITY")],
    }
