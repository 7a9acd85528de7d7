"""Support vector machines that were read from a file, verified before they predict.

libsvm takes the sizes of its arrays from one of them and reads the others without a check.
"""

from typing import Any

import numpy as np
from sklearn.svm import SVC, SVR


def check_support_vectors(machine: Any) -> None:
    """Require that the arrays of a fitted SVC or SVR have the sizes that libsvm assumes.

    Other estimators, and unfitted ones, pass.

    Raises:
        ValueError: a size is wrong.
    """
    if not isinstance(machine, (SVC, SVR)) or not hasattr(machine, "support_vectors_"):
        return
    vectors, width = machine.support_vectors_.shape
    classes = len(machine.classes_) if isinstance(machine, SVC) else 2
    expected = {
        "_dual_coef_": (classes - 1, vectors),
        "_intercept_": (classes * (classes - 1) // 2,),
        "support_": (vectors,),
        "_n_support": (2,) if isinstance(machine, SVR) else (classes,),
        "_probA": (0,),
        "_probB": (0,),
    }
    for name, shape in expected.items():
        if getattr(machine, name).shape != shape:
            raise ValueError(f"a support vector machine has {name} of another shape than {shape}")
    counts = machine._n_support[: 1 if isinstance(machine, SVR) else None]
    if (counts < 0).any() or counts.sum() != vectors or machine.shape_fit_[1] != width:
        raise ValueError("a support vector machine has another number of vectors than its counts")
    if machine._sparse or machine.n_features_in_ != width or not np.isscalar(machine._gamma):
        raise ValueError("a support vector machine has another number of features than its vectors")
