"""Base class of the neural heads: how they read features, and what they learn from a training part.

They take a plain matrix X (utterance, layer · step · dim). Inputs are standardised inside ``fit``,
so nothing leaks from a test part. `NeuralHead.fit_folds` fits a clone to each of many training
parts at once; the result equals that of ``fit`` on each part.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import clone, is_classifier
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from classify.heads.neural.early_stopping import held_out
from classify.heads.neural.training import Trainable, TrainingPart, one_thread
from classify.heads.standardize import CONSTANT, scaling

BATCH = 1024  # utterances that are predicted at once; bounds memory only

Randomness = int | np.random.RandomState | None
Matrix = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32]


@dataclass(eq=False, repr=False)
class NeuralHead(Trainable):
    """Base class of the neural heads.

    Args:
        layers: how many hidden layers a row of X holds, one after the other.
        steps: how many steps each of them holds; 1 where they are pooled.
        axis: the axis along which a head reads sequences. "time": the steps of the softmax mix of
            the layers, where NaN steps after the last one are padding; "layer": the layers, each
            with its own standardisation.
        standardize: whether each feature gets mean 0 and deviation 1 in the training part.
        random_state: decides initial weights, order, dropout and which utterances are held out.
        The rest is as in `Trainable`.

    Attributes:
        mean_, scale_: the standardisation, (layer, step or 1, dim).
        The rest is as in `Trainable`.
    """

    sequential: ClassVar[bool] = True  # whether it reads the order of steps

    layers: int = 1
    steps: int = 1
    axis: str = "time"
    standardize: bool = True
    random_state: Randomness = None

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit to X (utterance, layer · step · dim) and y (utterance,).

        Args:
            sample_weight: (utterance,) how much each utterance counts.
            groups: (utterance,) speakers; whole ones are held out for early stopping. None:
                utterances are.
        """
        matrix, target = self._verified(X, y)
        weight = _check_sample_weight(sample_weight, matrix, dtype=np.float32)
        train = (weight > 0)[None]
        names = np.arange(len(matrix)) if groups is None else np.asarray(groups)
        self._fit_all(matrix, target, train, weight, names, [self])
        return self

    def fit_folds(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        train: npt.NDArray[np.bool_],
        seeds: Sequence[int],
        groups: npt.ArrayLike | None = None,
        watch: npt.NDArray[np.bool_] | None = None,
    ) -> list[Self]:
        """Clones, each fitted to its own training part, all at once.

        Args:
            X: (utterance, layer · step · dim).
            y: (utterance,).
            train: (fold, utterance) what each is fitted to.
            seeds: (fold,) the `random_state` of each.
            groups: as in `fit`.
            watch: (fold, utterance) the utterances of the curves heldout_… of `history_`; this
                decides nothing.

        Raises:
            ValueError: a training part lacks a class.
            NoOptimum: a loss is not finite.
        """
        model = clone(self)
        matrix, target = model._verified(X, y)
        names = np.arange(len(matrix)) if groups is None else np.asarray(groups)
        heads = [copy(model).set_params(random_state=seed) for seed in seeds]
        weight = np.ones(len(matrix), np.float32)
        model._fit_all(matrix, target, train, weight, names, heads, watch)
        return heads

    @property
    def layer_weights_(self) -> npt.NDArray[np.float64]:
        """(layer,) how much of the mix each hidden layer is."""
        check_is_fitted(self, "network_")
        return self.network_.mix.weights[0].detach().double().cpu().numpy()

    def attention(self, X: npt.ArrayLike) -> npt.NDArray[np.float64] | None:
        """(utterance, step) how much each step counts, 0 for padding; None of heads to which all
        count the same."""
        return self._applied(lambda x, mask: self.network_.attention(x, mask), X)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that was learned, by name; `restore` is the way back."""
        check_is_fitted(self, "network_")
        learned = {f"network.{name}": value for name, value in self.network_.state_dict().items()}
        return {"mean": self.mean_, "scale": self.scale_, **learned}

    def _restored(self, arrays: Mapping[str, npt.NDArray], outputs: int) -> Self:
        tensors = {name: torch.tensor(array) for name, array in arrays.items()}
        if not all(value.isfinite().all() for value in tensors.values()):
            raise ValueError("its tensors hold NaN or infinity")
        self.mean_, self.scale_ = tensors["mean"], tensors["scale"]
        if self.mean_.ndim != 3 or self.mean_.shape != self.scale_.shape:
            raise ValueError("mean and scale are not both (layer, step, dim)")
        dim = self.mean_.shape[-1]
        self.n_features_in_ = self.layers * self.steps * dim
        with torch.device("meta"):  # takes no memory, whatever the parameters say
            self.network_ = self._stack(1, len(self.mean_), dim, outputs)
        prefix = "network."
        learned = {name: value for name, value in tensors.items() if name.startswith(prefix)}
        learned = {name.removeprefix(prefix): value for name, value in learned.items()}
        self.network_.load_state_dict(learned, assign=True)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._ragged
        return tags

    @property
    def _ragged(self) -> bool:
        return self.sequential and self.axis == "time"

    @property
    def _finite(self) -> bool | str:
        return "allow-nan" if self._ragged else True

    def _verified(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Matrix, npt.NDArray]:
        """Validated X and y."""
        raise NotImplementedError

    def _goal(
        self, target: npt.NDArray, weight: Weights, train: npt.NDArray[np.bool_]
    ) -> tuple[Matrix, Weights]:
        """Targets of the network (utterance, output) for a training part, and weights
        (utterance,)."""
        raise NotImplementedError

    def _validated(self, X: npt.ArrayLike) -> Matrix:
        """X as float32. A recording may have more steps in time than any of the training."""
        if self._ragged and self.steps > 1:
            matrix = check_array(X, dtype=np.float32, ensure_all_finite="allow-nan")
            if matrix.shape[1] % (self.n_features_in_ // self.steps) == 0:
                return matrix
        return validate_data(self, X, dtype=np.float32, ensure_all_finite=self._finite, reset=False)

    def _parts(self, X: Matrix) -> tuple[torch.Tensor, torch.Tensor]:
        """X as (utterance, layer, step, dim), zero where padded, and the mask of steps.

        Along the layers these are the steps.
        """
        if self.axis not in ("time", "layer"):
            raise ValueError(f"axis={self.axis!r}: expected 'time' or 'layer'")
        if self.axis == "layer" and self.steps > 1:
            raise ValueError(f"axis='layer' is for pooled layers; got {self.steps} steps of each")
        if self.n_features_in_ % (self.layers * self.steps):
            raise ValueError(
                f"{self.n_features_in_} features cannot be split into {self.layers} layers of "
                f"{self.steps} steps"
            )
        dim = self.n_features_in_ // (self.layers * self.steps)
        along = self.sequential and self.axis == "layer"
        shape = (1, self.layers) if along else (self.layers, X.shape[1] // (self.layers * dim))
        x = torch.from_numpy(X).reshape(len(X), *shape, dim)
        mask = ~x[:, 0, :, 0].isnan()
        if not self._ragged:
            return x, mask
        padding_last = bool((mask.cummin(1).values == mask).all())
        if not (padding_last and torch.equal(~x.isnan(), mask[:, None, :, None].expand_as(x))):
            raise ValueError("NaN is only understood as whole steps of padding, after all others")
        return x.nan_to_num(), mask

    def _scales(
        self, x: torch.Tensor, mask: torch.Tensor, weights: Weights
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and scale (fold, layer, step or 1, dim); the steps in time share theirs.

        Args:
            weights: (fold, utterance).
        """
        if self._ragged:  # every moment is an observation
            owner, moment = mask.nonzero(as_tuple=True)
            columns, weights = x[owner, :, moment], weights[:, owner.numpy()]
        else:
            columns = x.reshape(len(x), -1, x.shape[-1])
        found = [scaling(columns[:, number].numpy(), weights) for number in range(columns.shape[1])]
        shape = (len(weights), x.shape[1], -1, x.shape[-1])
        mean, scale = (
            torch.from_numpy(np.stack(values, 1).astype(np.float32)).reshape(shape)
            for values in zip(*((f.mean, f.scale) for f in found), strict=True)
        )
        if not self.standardize:
            return torch.zeros_like(mean), torch.ones_like(scale)
        return mean, torch.where(scale > CONSTANT * mean.abs(), scale, 1.0)

    def _fit_all(
        self,
        X: Matrix,
        target: npt.NDArray,
        train: npt.NDArray[np.bool_],
        weight: Weights,
        groups: npt.NDArray,
        heads: Sequence["NeuralHead"],
        watch: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Fit each of `heads` to its row of `train` (fold, utterance), with curves of `watch`."""
        x, mask = self._parts(X)
        mean, scale = self._scales(x, mask, train * weight)
        parts = []
        for number, (rows, head) in enumerate(zip(train, heads, strict=True)):
            head.mean_, head.scale_ = mean[number], scale[number]
            seed = int(check_random_state(head.random_state).randint(2**31))
            goal, counts = head._goal(target, weight, rows)
            fitted, out = np.flatnonzero(rows), np.zeros(rows.sum(), bool)
            if self.patience is not None:
                classes = target[fitted] if is_classifier(self) else np.zeros(len(fitted), np.intp)
                out = held_out(classes, groups[fitted], seed)
            part = TrainingPart(
                train=fitted[~out],
                stop=fitted[out],
                test=np.array([], np.intp) if watch is None else np.flatnonzero(watch[number]),
                weight=counts / counts[fitted[~out]].mean(),
                mean=mean[number].to(self.device),
                scale=scale[number].to(self.device),
                target=torch.from_numpy(goal).to(self.device),
                seed=seed,
            )
            parts.append(part)
        self._train(x.to(self.device), mask.to(self.device), parts, heads)

    def _applied(
        self,
        function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor | None],
        X: npt.ArrayLike,
    ) -> npt.NDArray[np.float64] | None:
        """The output of a function of standardised features and mask, without the replica axis."""
        check_is_fitted(self, "network_")
        with one_thread(), torch.no_grad():
            x, mask = self._parts(self._validated(X))
            outputs = []
            for some, valid in zip(x.split(BATCH), mask.split(BATCH), strict=True):
                some = (some - self.mean_) / self.scale_ * valid[:, None, :, None]
                outputs.append(function(some[None], valid[None]))
        found = [output[0] for output in outputs if output is not None]
        return torch.cat(found).double().numpy() if found else None
