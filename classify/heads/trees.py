"""Trees that were read from a file, looked at before they are walked.

scikit-learn's trees keep their nodes in arrays and follow the numbers in them without a check: a
forged child or feature would be read from outside of the memory, or never end.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)

LEAF = -1  # of `sklearn.tree`, in place of a child


class Tree(NamedTuple):
    """Nodes of a tree, the root first."""

    left: npt.NDArray[np.integer]  # (node,) number of the child
    right: npt.NDArray[np.integer]  # (node,)
    feature: npt.NDArray[np.integer]  # (node,) that is compared with a threshold
    leaf: npt.NDArray[np.bool_]  # (node,) children and feature have no meaning


def check_trees(head: Any) -> None:
    """See that every path in the trees of `head` ends in a leaf, by features that there are.

    Heads without trees, or that were never fitted, pass.

    Raises:
        ValueError: a child is not further down than its parent, or a feature is out of range.
    """
    for tree in _trees(head):
        nodes = np.arange(len(tree.leaf))
        inner = ~tree.leaf
        for child in (tree.left.astype(np.int64), tree.right.astype(np.int64)):
            if ((child <= nodes) | (child >= len(nodes)))[inner].any():
                raise ValueError("a tree has a node that is not below its parent")
        feature = tree.feature[inner].astype(np.int64)
        if ((feature < 0) | (feature >= head.n_features_in_)).any():
            raise ValueError(f"a tree asks for a feature beyond the {head.n_features_in_}")
        if not len(nodes):
            raise ValueError("a tree has no nodes")


def _trees(head: Any) -> Iterator[Tree]:
    if isinstance(head, (ExtraTreesClassifier, RandomForestRegressor)):
        for each in getattr(head, "estimators_", ()):
            tree = each.tree_
            leaf = tree.children_left == LEAF
            yield Tree(tree.children_left, tree.children_right, tree.feature, leaf)
    if isinstance(head, (HistGradientBoostingClassifier, HistGradientBoostingRegressor)):
        for iteration in getattr(head, "_predictors", ()):
            for each in iteration:
                nodes = each.nodes
                if nodes["is_categorical"].any():
                    raise ValueError("a tree has categories, and no feature has")
                leaf = nodes["is_leaf"].astype(bool)
                yield Tree(nodes["left"], nodes["right"], nodes["feature_idx"], leaf)
