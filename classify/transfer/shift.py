"""Corrections of the shift between the corpora of training and test."""

import numpy as np
import numpy.typing as npt

from classify.heads.standardize import scaling

Matrix = npt.NDArray[np.floating]

STEPS = 1000  # of EM at most
STABLE = 1e-8  # change of a prior at which EM ends


def prior_shift(
    probabilities: Matrix, priors: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Estimate the class shares of a test corpus, and correct its probabilities by them.

    EM of Saerens, Latinne and Decaestecker (2002, Adjusting the outputs of a classifier to new a
    priori probabilities). It looks at the features of all tested utterances, not at their labels,
    and assumes that only the shares of the classes differ.

    Args:
        probabilities: (utterance, class) by a head.
        priors: (class,) shares of the classes in its training.

    Returns:
        Corrected probabilities (utterance, class), and the estimated shares (class,).
    """
    shares = priors.copy()
    found = probabilities.astype(np.float64)
    for _ in range(STEPS):
        weighted = probabilities * (shares / priors)
        found = weighted / weighted.sum(1, keepdims=True)
        before, shares = shares, found.mean(0)
        if np.abs(shares - before).max() < STABLE:
            break
    return found, shares


def coral(source: Matrix, target: Matrix) -> tuple[npt.NDArray[np.float32], ...]:
    """Align the covariance of the features of a training corpus with that of a test corpus.

    CORAL of Sun, Feng and Saenko (2016, Return of Frustratingly Easy Domain Adaptation): each
    corpus is standardised by itself; with C their covariances plus 1, the training features become
    Z · Cₛ^(-1/2) · Cₜ^(1/2). It looks at the features of all tested utterances, not at their
    labels.

    Args:
        source: (utterance, dim) of training.
        target: (utterance, dim) of the test.

    Returns:
        Both in the new space.
    """
    Z, own = (_standardised(X) for X in (source, target))
    whitened = _scaled(Z, Z, -0.5)
    return _scaled(whitened, own, 0.5).astype(np.float32), own.astype(np.float32)


def _standardised(X: Matrix) -> npt.NDArray[np.float64]:
    return scaling(X, np.ones((1, len(X)))).of(X)


def _scaled(X: Matrix, of: Matrix, power: float) -> npt.NDArray[np.float64]:
    """X · (cov(of) + 1)^power; outside of the span of `of`, the covariance is 0 and X stays."""
    _, sizes, directions = np.linalg.svd(of - of.mean(0), full_matrices=False)
    factors = (sizes**2 / max(len(of) - 1, 1) + 1) ** power - 1
    return X + (X @ directions.T * factors) @ directions


def class_means_alignment(
    first: Matrix, second: Matrix, seed: int = 0, draws: int = 1000
) -> tuple[float, float]:
    """Linear CKA of the class means of two corpora, and its mean with the classes exchanged.

    Centred kernel alignment (Kornblith et al. 2019, Similarity of Neural Network Representations
    Revisited) of few rows is high by chance, so the value over random pairings of the classes is
    given beside it.

    Args:
        first, second: (class, dim) means of the same classes.
        seed: of the exchanges.
        draws: number of exchanges.

    Returns:
        The alignment from 0 to 1, and its mean over exchanges.
    """
    K, L = (_gram(means) for means in (first, second))
    scale = np.sqrt((K * K).sum() * (L * L).sum())
    if scale == 0:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    orders = [random.permutation(len(K)) for _ in range(draws)]
    exchanged = np.mean([(K * L[np.ix_(order, order)]).sum() for order in orders])
    return float((K * L).sum() / scale), float(exchanged / scale)


def _gram(means: Matrix) -> npt.NDArray[np.float64]:
    centred = means.astype(np.float64) - means.mean(0)
    return centred @ centred.T
