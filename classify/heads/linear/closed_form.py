"""Ridge regression and linear discriminants of one training part, for any labels and strengths.

Both solve (AᵀA + αI) W = B for a matrix A of utterances; where these are fewer than features, by
the matrix AAᵀ of inner products instead.
"""

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve

from classify.heads import NoOptimum

Matrix = npt.NDArray[np.float64]
Linear = tuple[Matrix, npt.NDArray[np.float64]]  # weights (class, dim), intercepts (class,)


def gram(Z: Matrix) -> Matrix:
    """ZZᵀ (utterance, utterance) or ZᵀZ (dim, dim), whichever is smaller."""
    return Z @ Z.T if len(Z) < Z.shape[1] else Z.T @ Z


def ridge(
    Z: Matrix, product: Matrix, labels: npt.NDArray[np.integer], classes: int, C: float
) -> Linear:
    """Weights (class, dim) and intercepts (class,) of scikit-learn's `RidgeClassifier(1 / C)`.

    Every class is 1 and all others -1; the classes' scores are independent of each other.

    Args:
        Z: (utterance, dim) standardised features of the training part.
        product: `gram(Z)`.
        labels: (utterance,) class numbers.
        classes: how many there are.
        C: inverse weight of the squared norm.
    """
    targets = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
    intercept = targets.mean(0)
    targets -= intercept
    if len(Z) < Z.shape[1]:
        return _positive(product, 1 / C, targets).T @ Z, intercept
    return _positive(product, 1 / C, Z.T @ targets).T, intercept


def lda(
    Z: Matrix, product: Matrix, labels: npt.NDArray[np.integer], classes: int, C: float
) -> Linear:
    """Weights (class, dim) and intercepts (class,) of scikit-learn's `LinearDiscriminantAnalysis`.

    The covariance within classes is (1 - s) S + s tr(S) / dim · I for the shrinkage
    s = 1 / (1 + C) (Friedman 1989, Regularized Discriminant Analysis); priors are the classes'
    shares. The arguments are those of `ridge`.

    Raises:
        ValueError: no class has two utterances that differ, so that there is no covariance.
    """
    member = (labels[:, None] == np.arange(classes)).astype(float)  # (utterance, class)
    counts = member.sum(0)
    mean_of = member / counts.clip(1)
    means = mean_of.T @ Z
    within = Z - member @ means
    spread = (within**2).sum() / Z.shape[1]
    if spread <= 0:
        raise ValueError("no class has two utterances that differ")
    alpha = spread / C  # s / (1 - s) is 1 / C
    if len(Z) < Z.shape[1]:
        centred = product - member @ (mean_of.T @ product)
        centred -= (centred @ mean_of) @ member.T
        weights = (means - _positive(centred, alpha, within @ means.T).T @ within) / alpha
    else:
        weights = _positive(product - (means.T * counts) @ means, alpha, means.T).T
    weights *= len(Z) * (1 + C) / C
    priors = np.log(np.maximum(counts, 1) / len(Z))
    return weights, priors - 0.5 * (weights * means).sum(1)


def _positive(matrix: Matrix, alpha: float, right: Matrix) -> Matrix:
    """Solve (matrix + αI) x = right."""
    shifted = matrix + alpha * np.eye(len(matrix))
    try:
        return solve(shifted, right, assume_a="pos", check_finite=False)
    except np.linalg.LinAlgError as error:
        raise NoOptimum(
            "float64 cannot solve for weights that are so little regularised: choose a smaller C"
        ) from error
