"""Ensembles of trees as one torch module, which evaluates all trees at once, level by level.

The tree traversal of Nakandala et al. 2020, A Tensor Compiler for Unified Machine Learning
Prediction Serving (arXiv 2010.04804), section 4.1. Converters for scikit-learn write TreeEnsemble
operators of ``ai.onnx.ml``, which OpenVINO lacks.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from classify.export.modules import tensor
from classify.heads.trees import Tree


class Trees(nn.Module):
    """x (utterance, dim) → the sum of its leaves' values (utterance, output)."""

    roots: torch.Tensor
    feature: torch.Tensor
    threshold: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    value: torch.Tensor

    def __init__(self, ensemble: Iterable[Tree]) -> None:
        super().__init__()
        trees = list(ensemble)
        sizes = [len(tree.leaf) for tree in trees]
        roots = np.cumsum([0, *sizes[:-1]])
        nodes = np.arange(sum(sizes))
        leaf = np.concatenate([tree.leaf for tree in trees])

        def joined(name: str) -> npt.NDArray:
            return np.concatenate([getattr(tree, name) for tree in trees])

        def children(name: str) -> torch.Tensor:
            own = joined(name).astype(np.int64) + np.repeat(roots, sizes)
            return torch.from_numpy(np.where(leaf, nodes, own))  # a row at a leaf stays there

        self.depth = max(tree.depth for tree in trees)
        self.register_buffer("roots", torch.from_numpy(roots))
        self.register_buffer("feature", torch.from_numpy(np.where(leaf, 0, joined("feature"))))
        self.register_buffer("threshold", torch.from_numpy(rounded_down(joined("threshold"))))
        self.register_buffer("left", children("left"))
        self.register_buffer("right", children("right"))
        self.register_buffer("value", tensor(joined("value")))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        node = self.roots.expand(x.shape[0], -1)
        for _ in range(self.depth):
            goes_left = x.gather(1, self.feature[node]) <= self.threshold[node]
            node = torch.where(goes_left, self.left[node], self.right[node])
        return self.value[node].sum(1)


def rounded_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 up to each threshold: float32 features compare with it the same."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
