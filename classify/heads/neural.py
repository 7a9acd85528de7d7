"""Neural heads as scikit-learn estimators: they clone, pipe, search and repeat like any other.

They take a plain matrix X (utterance, step · dim) whose steps, laid end to end, are hidden layers
or moments in time. Inputs are standardised inside ``fit``, so nothing leaks from a test part. Each
fit runs on one thread: the networks are too small to gain by more, and rounding, which depends on
the number of threads, stays the same whatever else the machine does.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import nn

from classify.heads.networks import Perceptron, Recurrent
from classify.heads.training import Part, Schedule, predict, train

CONSTANT = 1e-6  # a feature that deviates by less than this share of its mean carries only rounding

Randomness = int | np.random.RandomState | None


class NeuralHead(ClassifierMixin, BaseEstimator):
    """What `MLP` and `GRU` share.

    Args:
        steps: into how many steps a row of X is split.
        hidden: width of the hidden layer.
        dropout: before the output.
        epochs: passes over the training part.
        batch_size: utterances of one step of AdamW.
        learning_rate: at the beginning; falls to zero along half a cosine.
        weight_decay: of AdamW.
        label_smoothing: share of the target's probability spread over all classes.
        random_state: decides initial weights, order and dropout.

    Attributes:
        classes_: (class,) labels, sorted.
        mean_, scale_: the standardisation, (step, dim); (1, dim) where all steps share it.
        network_: the trained torch module.
        history_: one value an epoch of each curve; see `classify.heads.training.train`.
    """

    def __init__(
        self,
        steps: int = 1,
        hidden: int = 128,
        dropout: float = 0.5,
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        label_smoothing: float = 0.1,
        random_state: Randomness = None,
    ) -> None:
        self.steps = steps
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.random_state = random_state

    def _network(self, dim: int) -> nn.Module:
        raise NotImplementedError

    @property
    def _ragged(self) -> bool:
        """Whether steps are moments: NaN steps at the end are padding, all share one scale."""
        return False

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        monitor: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ) -> Self:
        """Fit to X (utterance, step · dim) and y (utterance,).

        Args:
            sample_weight: (utterance,) how much each utterance counts.
            monitor: a held-out (X, y) whose scores are drawn into the curves of `history_`. It
                chooses nothing: neither epoch nor parameters depend on it.
        """
        matrix, labels = validate_data(self, X, y, dtype=np.float32, ensure_all_finite=self._finite)
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise ValueError(f"got one class, {self.classes_[0]!r}; expected two or more")
        if matrix.shape[1] % self.steps:
            raise ValueError(f"{matrix.shape[1]} features cannot be split into {self.steps} steps")
        weight = torch.from_numpy(_check_sample_weight(sample_weight, matrix, dtype=np.float32))
        seed = check_random_state(self.random_state).randint(2**31)
        with _one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._standardize(matrix, weight)
            part = self._part(matrix, labels, weight / weight.mean())
            heldout = None
            if monitor is not None:
                heldout = self._part(self._validated(monitor[0]), monitor[1])
            self.network_ = self._network(part.x.shape[2])
            self.history_ = train(self.network_, part, self._schedule(), heldout)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(utterance, class) probabilities."""
        check_is_fitted(self)
        with _one_thread():
            logits = predict(self.network_, *self._inputs(self._validated(X)))
            return logits.softmax(1).numpy()

    def predict(self, X: npt.ArrayLike) -> npt.NDArray:
        """(utterance,) the most probable class."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that was learned, by name; `restore` is the way back."""
        check_is_fitted(self)
        learned = {f"network.{name}": value for name, value in self.network_.state_dict().items()}
        return {"mean": self.mean_, "scale": self.scale_, **learned}

    def restore(self, classes: Sequence[str], tensors: Mapping[str, torch.Tensor]) -> Self:
        """Take up what another head of the same parameters has learned.

        Raises:
            KeyError, RuntimeError: the tensors are not those of such a head.
        """
        self.classes_ = np.array(classes)
        self.mean_, self.scale_ = tensors["mean"], tensors["scale"]
        dim = self.mean_.shape[1]
        self.n_features_in_ = self.steps * dim
        self.network_ = self._network(dim)
        self.network_.load_state_dict(
            {
                name.removeprefix("network."): tensor
                for name, tensor in tensors.items()
                if name.startswith("network.")
            }
        )
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._ragged
        return tags

    @property
    def _finite(self) -> bool | str:
        return "allow-nan" if self._ragged else True

    def _schedule(self) -> Schedule:
        return Schedule(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
        )

    def _validated(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """X as float32. A recording may have more steps in time than any of the training."""
        if self._ragged and self.steps > 1:
            matrix = check_array(X, dtype=np.float32, ensure_all_finite="allow-nan")
            if matrix.shape[1] % (self.n_features_in_ // self.steps) == 0:
                return matrix
        return validate_data(self, X, dtype=np.float32, ensure_all_finite=self._finite, reset=False)

    def _standardize(self, X: npt.NDArray[np.float32], weight: torch.Tensor) -> None:
        """Learn mean and scale of every feature, from the steps that are there."""
        x, mask = self._steps(X)
        weights = weight[:, None] * mask
        axes = "d" if self._ragged else "sd"
        total = torch.einsum("ns->s", weights)[:, None]
        if self._ragged:
            total = total.sum(0, keepdim=True)
        total = total.clamp(min=torch.finfo(torch.float32).tiny)
        mean = torch.einsum(f"ns,nsd->{axes}", weights, x) / total
        variance = torch.einsum(f"ns,nsd->{axes}", weights, (x - mean).square_()) / total
        self.mean_, scale = mean, variance.sqrt_()
        self.scale_ = torch.where(scale > CONSTANT * mean.abs(), scale, 1.0)

    def _inputs(self, X: npt.NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
        """Standardised steps (utterance, step, dim), zero where masked, and the mask of steps."""
        x, mask = self._steps(X)
        x = (x - self.mean_).div_(self.scale_)
        return x.mul_(mask[..., None]) if self._ragged else x, mask

    def _steps(self, X: npt.NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
        """X as steps (utterance, step, dim), zero where padded, and the mask of steps."""
        x = torch.from_numpy(X).reshape(len(X), -1, self.n_features_in_ // self.steps)
        mask = ~x[..., 0].isnan()
        if not self._ragged:
            return x, mask
        padding_last = bool((mask.cummin(1).values == mask).all())
        if not (padding_last and torch.equal(~x.isnan(), mask[..., None].expand_as(x))):
            raise ValueError("NaN is only understood as whole steps of padding, after all others")
        return x.nan_to_num(), mask

    def _part(
        self, X: npt.NDArray[np.float32], y: npt.ArrayLike, weight: torch.Tensor | None = None
    ) -> Part:
        target = np.searchsorted(self.classes_, y)
        weight = torch.ones(len(X)) if weight is None else weight
        return Part(*self._inputs(X), torch.from_numpy(target), weight)


class MLP(NeuralHead):
    """A perceptron with one hidden layer on a softmax mix of the steps, which are hidden layers."""

    def _network(self, dim: int) -> nn.Module:
        return Perceptron(self.steps, dim, self.hidden, len(self.classes_), self.dropout)


class GRU(NeuralHead):
    """A bidirectional GRU over the steps, its outputs averaged.

    Args:
        axis: "layer": the steps are hidden layers, each with its own standardisation; "time":
            they are moments that share one, and NaN steps after the last moment are padding.
        hidden: width of the input projection and of both directions together.

    The rest is as in `NeuralHead`.
    """

    def __init__(
        self,
        steps: int = 1,
        axis: str = "layer",
        hidden: int = 64,
        dropout: float = 0.5,
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        label_smoothing: float = 0.1,
        random_state: Randomness = None,
    ) -> None:
        super().__init__(
            steps,
            hidden,
            dropout,
            epochs,
            batch_size,
            learning_rate,
            weight_decay,
            label_smoothing,
            random_state,
        )
        self.axis = axis

    @property
    def _ragged(self) -> bool:
        return self.axis == "time"

    def _network(self, dim: int) -> nn.Module:
        return Recurrent(dim, self.hidden, len(self.classes_), self.dropout)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
