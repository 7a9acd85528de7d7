"""Minimum description length of the labels given the features, by online coding.

Voita and Titov 2020, Information-Theoretic Probing with Minimum Description Length, section 2.2.2:
the labels are sent block by block. The first is sent with a uniform code, every other with the
probabilities of a probe that was trained on all blocks before. Features in which the labels are
easy to find give short codes.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from classify.features import Matrix
from classify.heads import imported, naming
from classify.heads.linear.batched import DEFAULT_C, Problems, log_probabilities
from classify.probing.curves import layer_name
from classify.probing.result import CodeLength
from classify.probing.targets import Task
from classify.stats.metrics import Values

ORDERS = 8  # random orders of the blocks, over which the lengths are averaged


def blocks(groups: npt.NDArray, seed: int) -> npt.NDArray[np.bool_]:
    """(block, utterance) the utterances before each block from the second on, in a random order.

    A block consists of whole groups, so that no probe codes the labels of a speaker that it was
    trained on. Before the blocks there are 1, 2, 4, … groups.
    """
    names, number = np.unique(groups.astype(str), return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(names))[number]
    known = 2 ** np.arange(int(np.log2(max(len(names) - 1, 1))) + 1)
    return place < known[:, None]


def online_code_length(
    log_p: npt.NDArray[np.floating], y: npt.NDArray[np.intp], known: npt.NDArray[np.bool_]
) -> float:
    """Bits of the labels y, sent in blocks.

    A class that the blocks before do not have would cost infinitely many bits. So to the n known
    utterances one is added that may be of any class: p' = (n p + 1/K) / (n + 1), which is a code,
    as it depends on nothing that is not yet sent.

    Args:
        log_p: (block, utterance, class) natural log-probabilities of the probe trained before each
            block but the first.
        y: (utterance,) class numbers.
        known: (block, utterance) what it was trained on; each contains the one before.
    """
    classes = log_p.shape[2]
    bits = known[0].sum() * np.log2(classes)
    after = np.vstack([known[1:], np.ones_like(known[:1])])
    for probabilities, before, then in zip(log_p, known, after, strict=True):
        block = then & ~before
        n = before.sum()
        p = np.exp(probabilities[block, y[block]].astype(np.float64))
        bits -= np.log2((n * p + 1 / classes) / (n + 1)).sum()
    return float(bits)


def description_length(
    task: Task,
    layers: Iterable[tuple[int, Matrix]],
    head: str,
    C: npt.NDArray[np.float64],
    seed: int,
) -> list[CodeLength]:
    """Send the labels of `task` given each layer, by the C that is best in most orders.

    Args:
        task: classes and groups.
        layers: number and features (utterance, dim) of each.
        head: logreg or lda.
        C: (candidate,) the best is taken for each order; to send it costs log2(candidates) bits.
        seed: of the orders.
    """
    known = np.stack([blocks(task.groups, seed + order) for order in range(ORDERS)])
    uniform = float(len(task.y) * np.log2(len(task.classes)))
    found = []
    for layer, X in layers:
        with naming(head, layer_name(layer, "description length")):
            lengths = np.array([_lengths(task, X, head, value, known) for value in C])
        bits = lengths.min(0) + np.log2(len(C))  # (order,)
        best = C[np.bincount(lengths.argmin(0)).argmax()]
        found.append(CodeLength(layer, float(best), float(bits.mean()), float(bits.std()), uniform))
    return found


def _lengths(task: Task, X: Matrix, head: str, C: float, known: npt.NDArray[np.bool_]) -> Values:
    """(order,) bits; `known` is (order, block, utterance)."""
    classes, flat = len(task.classes), known.reshape(-1, known.shape[-1])
    able = np.array([len(np.unique(task.y[rows])) > 1 for rows in flat])
    log_p = np.full((len(flat), len(task.y), classes), -np.log(classes), np.float32)
    if able.any():
        fit = log_probabilities if head in DEFAULT_C else imported.log_probabilities
        log_p[able] = fit(head, X, Problems(flat[able], task.y, classes, C))
    of_orders = zip(log_p.reshape(*known.shape, classes), known, strict=True)
    return np.array([online_code_length(own, task.y, rows) for own, rows in of_orders])
