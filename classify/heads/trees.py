"""The trees of fitted ensembles, and a check of trees that were read from a file.

scikit-learn keeps the nodes of a tree in arrays and follows the numbers in them without a check: a
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
    """Nodes of a tree, the root first. In leaves, children and feature have no meaning."""

    left: npt.NDArray[np.integer]  # (node,) number of the child
    right: npt.NDArray[np.integer]  # (node,)
    feature: npt.NDArray[np.integer]  # (node,) that is compared with the threshold
    threshold: npt.NDArray[np.float64]  # (node,) an utterance goes left up to here
    leaf: npt.NDArray[np.bool_]  # (node,)
    value: npt.NDArray[np.float64]  # (node, output); the ensemble is the sum over its trees
    depth: int  # steps from the root to the deepest leaf


def check_trees(head: Any) -> None:
    """Verify that every path in the trees of `head` ends in a leaf and that its features exist.

    Heads without trees, or that were never fitted, pass.

    Raises:
        ValueError: a child is not further down than its parent, or a feature is out of range.
    """
    for tree in trees_of(head):
        nodes = np.arange(len(tree.leaf))
        inner = ~tree.leaf
        for child in (tree.left.astype(np.int64), tree.right.astype(np.int64)):
            if ((child <= nodes) | (child >= len(nodes)))[inner].any():
                raise ValueError("a tree has a node that is not below its parent")
        feature = tree.feature[inner].astype(np.int64)
        if ((feature < 0) | (feature >= head.n_features_in_)).any():
            raise ValueError(f"a tree uses a feature beyond the {head.n_features_in_}")
        if not len(nodes):
            raise ValueError("a tree has no nodes")


def trees_of(head: Any) -> Iterator[Tree]:
    """The trees of a fitted ensemble; none of other estimators, or before ``fit``.

    Raises:
        ValueError: a tree has categories.
    """
    if isinstance(head, (ExtraTreesClassifier, RandomForestRegressor)):
        estimators = getattr(head, "estimators_", ())
        for each in estimators:
            tree = each.tree_
            leaf = tree.children_left == LEAF
            yield Tree(
                tree.children_left,
                tree.children_right,
                tree.feature,
                tree.threshold,
                leaf,
                tree.value.reshape(len(leaf), -1) / len(estimators),
                tree.max_depth,
            )
    if isinstance(head, (HistGradientBoostingClassifier, HistGradientBoostingRegressor)):
        for iteration in getattr(head, "_predictors", ()):
            for output, each in enumerate(iteration):
                nodes = each.nodes
                if nodes["is_categorical"].any():
                    raise ValueError("a tree has categories, and no feature has")
                value = np.zeros((len(nodes), len(iteration)))
                value[:, output] = nodes["value"]
                yield Tree(
                    nodes["left"],
                    nodes["right"],
                    nodes["feature_idx"].astype(np.int64),
                    nodes["num_threshold"],
                    nodes["is_leaf"].astype(bool),
                    value,
                    each.get_max_depth(),
                )
