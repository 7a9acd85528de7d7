"""The head that was fine-tuned together with an encoder, as a head on the encoder's embeddings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from sklearn.base import BaseEstimator, ClassifierMixin

from classify.heads.numpy_scores import LinearScores
from data.errors import UsageError

FILE = "head.safetensors"  # beside the encoder
POOLINGS = {"mean": ("mean",), "statistics": ("mean", "std")}  # of heads that caches can feed


@dataclass(frozen=True)
class Head:
    """A head in the folder of its encoder.

    Attributes:
        classes: sorted; empty if it predicts numbers.
        pooling: as in the options of a fine-tuning.
        layer: number of the hidden layer that it reads.
        normalised: whether it reads the layer after a final layer norm, which caches do not have.
        tensors: its parameters, by name.
    """

    classes: Sequence[str]
    pooling: str
    layer: int
    normalised: bool
    tensors: Mapping[str, npt.NDArray[np.float32]]

    def write(self, folder: Path) -> None:
        """Write the head into the folder of its encoder."""
        about = {"classes": [*self.classes], "pooling": self.pooling, "layer": self.layer,
                 "normalised": self.normalised}  # fmt: skip
        tensors = {name: np.ascontiguousarray(value) for name, value in self.tensors.items()}
        safetensors.numpy.save_file(tensors, folder / FILE, {"about": json.dumps(about)})

    @classmethod
    def read(cls, folder: str | None) -> Self:
        """Read the head of the encoder in a folder.

        Raises:
            UsageError: there is none, or it is damaged, or cannot read embeddings of a cache.
        """
        file = Path(folder or "") / FILE
        if folder is None or not file.is_file():
            raise UsageError(
                f"--head finetuned: {'the encoder' if folder is None else folder} has no {FILE}; "
                "it is for caches of encoders by 'python -m extract finetune', whose folder must "
                "be where it was"
            )
        try:
            with safetensors.safe_open(file, "numpy") as opened:
                about = json.loads(opened.metadata()["about"])
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            head = cls(**about, tensors=tensors)
            known = {"linear.weight", "linear.bias"} <= tensors.keys()
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise UsageError(f"{file}: damaged, or of another version ({error})") from None
        reasons = {
            "it predicts numbers": not head.classes,
            f"its pooling is {head.pooling}": head.pooling not in POOLINGS,
            "it reads the last layer after a final layer norm": head.normalised,
            "its parameters are not those of a linear head": not known,
        }
        if why := [reason for reason, holds in reasons.items() if holds]:
            raise UsageError(
                f"--head finetuned: {file}: {why[0]}, and embeddings do not suffice for it; train "
                "another head on the layers, such as logreg"
            )
        return head


class FinetunedHead(LinearScores, ClassifierMixin, BaseEstimator):
    """A linear head that is read instead of fitted.

    Args:
        folder: the folder of its encoder.
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Read the head; X (utterance, dim) is not used, and y (utterance,) has class names or the
        numbers of the classes in their order.

        Raises:
            UsageError: see `Head.read`.
        """
        head = Head.read(self.folder)
        classes = np.array(head.classes)
        if np.asarray(y).dtype.kind in "iu":
            classes = np.arange(len(classes))
        tensors = {"coef": head.tensors["linear.weight"], "intercept": head.tensors["linear.bias"]}
        return self.restore(classes, tensors)


def require_classes(folder: str | None, classes: Sequence[str]) -> None:
    """Require that the head of the encoder in `folder` has these classes.

    Raises:
        UsageError: it has others.
    """
    own = Head.read(folder).classes
    if [*own] != [*classes]:
        raise UsageError(
            f"--head finetuned: trained for {', '.join(own)}; selected: {', '.join(classes)}; give "
            "the --target and --labels of the fine-tuning"
        )
