"""The folder of a fine-tuning: settings, encoders, what they were trained on, predictions."""

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import transformers
from safetensors import SafetensorError

from classify.heads import finetuned
from data.atomic import publish_bytes, sync_folder
from data.cache.recipe import difference_lines, fingerprint
from data.errors import UsageError
from extract.encoders import trained_on
from extract.encoders.checkpoint import FINETUNED
from extract.encoders.encoder import Encoder
from finetune.network import Network

FORMAT, VERSION = "wav2emo finetune", 1
FILE = FINETUNED
RESULT = "result.json"  # of one encoder, which makes its folder complete
ACTIVATIONS = "activations.h5"
ADAPTER = "adapter"


@dataclass(frozen=True)
class Result:
    """Of one encoder."""

    epoch: int  # from 1, whose parameters were kept
    seconds: float
    history: dict[str, list[float]]  # curve → a value an epoch
    outputs: npt.NDArray[np.float64]  # (test utterance, class or target)

    def as_json(self) -> dict[str, Any]:
        """The result as JSON."""
        return {"epoch": self.epoch, "seconds": round(self.seconds, 1), "history": self.history,
                "outputs": self.outputs.tolist()}  # fmt: skip


class Store:
    """The folder that `finetune` fills.

    Args:
        folder: new, empty, or of the same run.
        about: everything that determines the weights.

    Raises:
        UsageError: the folder has another run, or other files.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder = folder
        self.about = about

    def begin(self) -> None:
        """Make the folder, or require that it has the same run."""
        require_free(self.folder)
        kept = read(self.folder)
        if kept is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write({"scores": None})
        elif kept["about"] != json.loads(json.dumps(self.about)):
            first = f"-o {self.folder}: another run is in there; name a new folder, or repeat it:"
            raise UsageError(difference_lines(first, _flat(kept["about"]), _flat(self.about)))

    def finish(self, scores: dict[str, Any]) -> None:
        """Write the scores."""
        self._write({"scores": scores})

    def _write(self, more: dict[str, Any]) -> None:
        content = {"format": FORMAT, "version": VERSION, "fingerprint": fingerprint(self.about),
                   "about": self.about, **more}  # fmt: skip
        publish_bytes(self.folder / FILE, (json.dumps(content, indent=2) + "\n").encode())

    def training(self, name: str) -> Path:
        """Folder of the checkpoints of an encoder that is being trained."""
        return self.folder / f"{name}.training"

    def result(self, name: str) -> Result | None:
        """The result of an encoder; None if it is not complete."""
        try:
            found = json.loads((self.folder / name / RESULT).read_bytes())
            return Result(**found | {"outputs": np.array(found["outputs"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep(
        self,
        name: str,
        encoder: Encoder,
        network: Network,
        classes: Sequence[str],
        recordings: pd.DataFrame,
        result: Result,
    ) -> None:
        """Write an encoder as a checkpoint of transformers, then its result.

        Args:
            name: of its folder.
            encoder: its model has the trained parameters; adapters are merged into it.
            network: has the head.
            classes: of the head; empty if it predicts numbers.
            recordings: see `trained_on.write`.
            result: of the training.
        """
        made = self.folder / f"{name}.tmp"
        shutil.rmtree(made, ignore_errors=True)
        model = encoder.model
        for adapted in network.adapters:
            adapted.save_pretrained(made / ADAPTER)
            model = adapted.merge_and_unload()
        model.save_pretrained(made)
        transformers.Wav2Vec2FeatureExtractor(
            do_normalize=encoder.identity.normalise, return_attention_mask=True
        ).save_pretrained(made)
        tensors = {name: value.numpy() for name, value in network.head.state_dict().items()}
        final = encoder.architecture.norm_is_last(model.config)
        depth = encoder.identity.depth
        finetuned.Head(classes, network.head.pooling, depth, final, tensors).write(made)
        trained_on.write(made, recordings)
        publish_bytes(made / RESULT, json.dumps(result.as_json()).encode())
        shutil.rmtree(self.folder / name, ignore_errors=True)
        os.replace(made, self.folder / name)
        sync_folder(self.folder)
        shutil.rmtree(self.training(name), ignore_errors=True)


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Raise what safetensors and torch raise when a file in `folder` cannot be written as OSError.

    Raises:
        OSError: with the number that the operating system gave, where it is known.
    """
    try:
        yield
    except SafetensorError as error:
        if (found := re.search(r"os error (\d+)", str(error))) is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(folder)) from None
    except RuntimeError as error:
        if "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise OSError(errno.ENOSPC, "a checkpoint could not be written", str(folder)) from None


def require_free(folder: Path) -> None:
    """Require that a folder is new, empty, or of a fine-tuning.

    Raises:
        UsageError: it is not.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"-o {folder}: a file is there; name a folder")
    others = [name for name in os.listdir(folder) if not name.startswith(ACTIVATIONS)]
    if others and not (folder / FILE).exists():
        raise UsageError(
            f"-o {folder}: it has other files, such as {min(others)}; name a new folder"
        )


def read(folder: Path) -> dict[str, Any] | None:
    """The content of ``finetune.json``; None if there is none.

    Raises:
        UsageError: it is damaged or of another version.
    """
    file = folder / FILE
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
        if found["format"] != FORMAT or found["version"] != VERSION:
            raise UsageError(f"{file}: version {found['version']}; this program reads {VERSION}")
        if found["fingerprint"] != fingerprint(found["about"]):
            raise UsageError(f"{file}: damaged: it does not match its fingerprint")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file}: damaged ({error}); name a new folder") from None
    return found


def _flat(about: dict[str, Any]) -> dict[str, Any]:
    """The fields for a list of differences; folds by their checksum."""
    folds = fingerprint({"folds": about["folds"]})
    return {**about["base"], **about["options"], **about, "folds": folds, "base": "", "options": ""}
