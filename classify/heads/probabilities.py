"""Probabilities of any fitted classifier."""

from typing import Any

import numpy as np
import numpy.typing as npt


def probabilities(fitted: Any, X: npt.NDArray) -> npt.NDArray[np.float64]:
    """(utterance, class) probabilities of a fitted classifier.

    Without ``predict_proba`` they are the softmax of ``decision_function``; without either, 1 for
    the predicted class.
    """
    if hasattr(fitted, "predict_proba"):
        return fitted.predict_proba(X)
    if hasattr(fitted, "decision_function"):
        from scipy.special import expit, softmax  # late: few heads need it

        scores = fitted.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        return softmax(scores, axis=1)
    return (fitted.predict(X)[:, None] == fitted.classes_).astype(np.float64)
