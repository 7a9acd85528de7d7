"""Out-of-domain score: the distance of a recording's features from those of training.

The distance is that of Mahalanobis to the nearest class, with a covariance that the classes share
(Lee et al. 2018, A Simple Unified Framework for Detecting Out-of-Distribution Samples and
Adversarial Attacks, equation 2), or to the mean for a regression. The covariance within classes is
shrunk (Ledoit & Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices).
The model keeps its leading eigenvectors, and one variance for all others (Tipping & Bishop 1999,
Probabilistic principal component analysis), so that it stays small.

The score is the distance relative to a threshold, which held-out speakers give: `FALSE_ALARMS` of
their utterances are above it (a conformal anomaly detector, Laxhammar & Falkman 2010).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from classify.features import Features

RANK = 16  # eigenvectors that are kept; more find less, see docs/out-of-domain.md
FALSE_ALARMS = 0.05  # share of held-out utterances above the threshold
FOLDS = 5  # at most so many groups of held-out speakers
MOST = 2000  # utterances that a distribution is fitted to

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Domain:
    """Gaussian distributions of the classes, with one covariance, of standardised features.

    Attributes:
        mean: (dim,) of the features.
        scale: (dim,) their standard deviation; 1 where they are constant.
        centres: (class, dim) means of the classes, standardised.
        axes: (rank, dim) eigenvectors of the covariance within classes.
        variances: (rank + 1,) along them, and in all other directions.
        threshold: of the distance; NaN until it is calibrated.
    """

    mean: Array
    scale: Array
    centres: Array
    axes: Array
    variances: Array
    threshold: float = float("nan")

    @classmethod
    def fit(cls, X: Array, y: npt.NDArray[np.integer], rank: int = RANK) -> Self:
        """Fit the distributions; the threshold stays open.

        Args:
            X: (utterance, dim) features, see `summarised`.
            y: (utterance,) class numbers; all 0 for a regression.
            rank: at most so many eigenvectors are kept.
        """
        from sklearn.covariance import ledoit_wolf_shrinkage  # late: predictions do not need it

        if len(X) > MOST:
            some = np.random.default_rng(0).permutation(len(X))[:MOST]
            X, y = X[some], y[some]
        X = X.astype(np.float64)
        mean, scale = X.mean(0), X.std(0)
        scale[scale < 1e-9 * max(1.0, float(np.abs(mean).max()))] = 1.0
        Z = (X - mean) / scale
        classes = np.unique(y)
        centres = np.stack([Z[y == number].mean(0) for number in classes])
        residual = Z - centres[np.searchsorted(classes, y)]
        dim = X.shape[1]
        shrinkage = ledoit_wolf_shrinkage(residual, assume_centered=True) if dim > 1 else 0.0
        values, axes = _leading(residual, min(rank, dim, len(X)))
        total = float(np.square(residual).mean(0).sum())
        rest = max(0.0, total - float(values.sum())) / max(1, dim - len(values))
        variances = (1 - shrinkage) * np.append(values, rest) + shrinkage * total / dim
        floor = np.finfo(np.float32).eps * max(total / dim, 1.0)
        return cls(mean, scale, centres, axes, np.maximum(variances, floor))

    @classmethod
    def calibrated(
        cls,
        X: Array,
        y: npt.NDArray[np.integer],
        fold: npt.NDArray[np.integer],
        rank: int = RANK,
    ) -> Self | None:
        """Fit to all utterances, with the threshold from held-out folds.

        Args:
            X: (utterance, dim) features.
            y: (utterance,) class numbers.
            fold: (utterance,) number of the fold that holds the utterance out; -1: none does.
            rank: see `fit`.

        Returns:
            None if there are fewer than two folds, or too few utterances for the threshold.
        """
        tested = fold >= 0
        if len(np.unique(fold[tested])) < 2 or tested.sum() < 1 / FALSE_ALARMS:
            return None
        group = np.where(tested, fold % FOLDS, -1)
        distance = np.full(len(y), np.nan)
        for number in np.unique(group[tested]):
            held_out = group == number
            distance[held_out] = cls.fit(X[~held_out], y[~held_out], rank).distance(X[held_out])
        return replace(cls.fit(X, y, rank), threshold=threshold(distance[tested]))

    def distance(self, X: Array) -> npt.NDArray[np.float64]:
        """(utterance,) Mahalanobis distance of features (utterance, dim) to the nearest class."""
        Z = (X.astype(np.float64) - self.mean) / self.scale
        axes, centres = self._projections
        rest = float(self.variances[-1])
        weights = 1 / self.variances[:-1].astype(np.float64) - 1 / rest
        along = Z @ axes
        squares = [
            np.square(Z - centre).sum(1) / rest + np.square(along - projected) @ weights
            for centre, projected in zip(self.centres, centres, strict=True)
        ]
        return np.sqrt(np.maximum(np.min(squares, axis=0), 0))

    @cached_property
    def _projections(self) -> tuple[Array, Array]:
        """The axes (dim, rank), and the centres along them."""
        axes = np.ascontiguousarray(self.axes.T, np.float64)
        return axes, self.centres @ axes

    def score(self, X: Array) -> npt.NDArray[np.float64]:
        """(utterance,) distance relative to the threshold: above 1 is out of domain."""
        return self.distance(X) / self.threshold

    def warnings(self, score: float) -> dict[str, str]:
        """The warning of a score above 1, in the form of `classify.models.ranges.warnings`."""
        if not score > 1:
            return {}
        held_out = f"that {FALSE_ALARMS:.0%} of held-out recordings exceed"
        return {"out of domain": f"out of domain: {score:.2f} times the distance {held_out}"}

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """The arrays of a model's file."""
        names = ("mean", "scale", "centres", "axes", "variances")
        return {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in names}

    @classmethod
    def restore(cls, tensors: Mapping[str, Array], threshold: float, dim: int) -> Self:
        """The inverse of `tensors`, for features of `dim` numbers.

        Raises:
            ValueError: an array is missing, or has a wrong shape or value.
        """
        expected = {"mean": 1, "scale": 1, "centres": 2, "axes": 2, "variances": 1}
        if {name: array.ndim for name, array in tensors.items()} != expected:
            raise ValueError(f"it holds {', '.join(sorted(tensors))}, not {', '.join(expected)}")
        wide = {name: array.shape[-1] for name, array in tensors.items() if name != "variances"}
        if set(wide.values()) != {dim} or len(tensors["variances"]) != len(tensors["axes"]) + 1:
            raise ValueError(f"its arrays are not of {dim} features")
        positive = all((tensors[name] > 0).all() for name in ("scale", "variances"))
        if not positive or not all(np.isfinite(array).all() for array in tensors.values()):
            raise ValueError("it holds numbers that are not finite, or not positive")
        return cls(**tensors, threshold=threshold)


def width(features: Features, dim: int) -> int:
    """Number of features of a recording, for an encoder of width `dim`; see `summarised`."""
    return features.width(dim) // (len(features.layers) if features.layer == "mix" else 1)


def summarised(X: Array, features: Features, dim: int) -> npt.NDArray[np.float64]:
    """(utterance, dim) features of a recording: the mean over steps and mixed layers.

    Args:
        X: (utterance, step · dim), as a head reads them; NaN after the last step.
        features: what they are.
        dim: width of the encoder's layers.
    """
    shaped = X.reshape(len(X), -1, width(features, dim))
    if shaped.shape[1] == 1:
        return shaped[:, 0].astype(np.float64)
    return np.nanmean(shaped, axis=1, dtype=np.float64)


def threshold(distance: Array, false_alarms: float = FALSE_ALARMS) -> float:
    """The distance that a new one exceeds with at most this probability, if it is exchangeable with
    those given: the smallest with a share of (n + 1) / n · (1 - false_alarms) below or at it."""
    rank = int(np.ceil((len(distance) + 1) * (1 - false_alarms)))
    return float(np.sort(distance)[min(rank, len(distance)) - 1])


def _leading(residual: Array, rank: int) -> tuple[Array, Array]:
    """The largest eigenvalues of residualᵀ residual / n, in descending order, and eigenvectors
    (rank, dim), whose largest component is positive."""
    from scipy.linalg import eigh  # late: predictions do not need it

    count, dim = residual.shape
    small = residual @ residual.T if count < dim else residual.T @ residual
    side = len(small)
    values, vectors = eigh(small / count, subset_by_index=[side - rank, side - 1])
    kept = values > values[-1] * 1e-10
    values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
    axes = (residual.T @ vectors / np.sqrt(values * count) if count < dim else vectors).T
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
    return values, axes * signs[:, None]
