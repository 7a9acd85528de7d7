"""A fitted perceptron on pooled layers (`classify.heads.neural.MLP`) in NumPy, so that a prediction
does not wait for torch.
"""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from classify.heads.linear_scores import softmax

TENSORS = {"mean", "scale", "network.mix.logits", "network.hidden.weight", "network.hidden.bias",
           "network.out.weight", "network.out.bias"}  # fmt: skip


class PerceptronScores:
    """Probabilities of classes by one hidden layer on a softmax mix of the layers.

    Attributes:
        classes_: (class,) labels, sorted.
        n_features_in_: layer · dim.
        steps: 1, since the layers are pooled.
    """

    classes_: npt.NDArray
    n_features_in_: int
    steps = 1

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(utterance, class) probabilities."""
        layers = np.asarray(X, np.float32).reshape(-1, *self._mean.shape)
        mixed = np.tensordot((layers - self._mean) / self._scale, self._mix, axes=(1, 0))
        hidden = np.maximum(mixed @ self._hidden[0] + self._hidden[1], 0)
        return softmax((hidden @ self._out[0] + self._out[1]).astype(np.float64))

    def restore(self, classes: Sequence[str], tensors: Mapping[str, npt.NDArray]) -> Self:
        """Load the tensors of an MLP.

        Raises:
            KeyError, ValueError: the tensors are not those of an MLP for these classes.
        """
        if unknown := sorted(tensors.keys() - TENSORS):
            raise ValueError(f"unknown tensor {unknown[0]}")
        if not all(array.dtype == np.float32 and np.isfinite(array).all()
                   for array in tensors.values()):  # fmt: skip
            raise ValueError("its tensors are not float32, or hold NaN or infinity")
        self._mean, self._scale = tensors["mean"][:, 0], tensors["scale"][:, 0]  # (layer, dim)
        self._mix = softmax(tensors["network.mix.logits"])[0]
        self._hidden, self._out = (
            (tensors[f"network.{name}.weight"][0], tensors[f"network.{name}.bias"][0, 0])
            for name in ("hidden", "out")
        )
        layer, dim = self._mean.shape
        hidden = len(self._hidden[1])
        found = [array.shape for array in (self._scale, self._mix, *self._hidden, *self._out)]
        expected = [(layer, dim), (layer,), (dim, hidden), (hidden,), (hidden, len(classes)),
                    (len(classes),)]  # fmt: skip
        if found != expected:
            raise ValueError(f"its tensors have the shapes {found}; expected {expected}")
        self.classes_, self.n_features_in_ = np.array(classes), layer * dim
        return self
