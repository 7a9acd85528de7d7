"""Figures of a transfer study: the matrix, layers within and across, similarity of corpora."""

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from classify.report.elements import CHANCE, entry, heat_map, legend
from classify.report.style import (
    MARKERS,
    PAGE,
    PALETTE,
    Illustration,
    panels,
    write,
)
from classify.transfer.cells import ACROSS, WITHIN
from classify.transfer.result import Run, Transfer, table
from data.cache.recipe import in_words


def draw(found: Transfer, folder: Path) -> list[Illustration]:
    """Write the figures into `folder`."""
    planned = [
        Illustration(
            "matrix", "Matrix", "UAR of each training (rows) and test (columns), above the number "
            "of classes that both have; chance is 1 divided by this number. The diagonal is a "
            "cross-validation with speaker-independent folds.",
            partial(matrix_figure, found.first, found),
        )
    ]  # fmt: skip
    if found.curves:
        planned.append(Illustration(
            "transfer_layers", "Layers", "Mean UAR over the cells within a corpus and across "
            "corpora, on each layer. The best layer within a corpus need not be the best across.",
            partial(layers_figure, found),
        ))  # fmt: skip
    if len(found.matrix.domains) > 2 and found.alignments:
        planned.append(Illustration(
            "alignment", "Similarity of corpora", "Linear CKA of the class means of each two "
            "corpora, each standardised by itself: how far the classes lie in the same relation "
            "to one another. The second number is the mean with the classes exchanged, which is "
            "what unrelated classes give.", partial(alignment_figure, found),
        ))  # fmt: skip
    return write(planned, folder, f"Transfer on {in_words(found.first.recipe)}")


def matrix_figure(run: Run, found: Transfer) -> Figure:
    """UAR of each training and test as a heat map."""
    names, cells = table(run, found.matrix)
    values = np.array([[cell.scores.uar if cell else np.nan for cell in row] for row in cells])
    classes = np.array(
        [[f"{len(cell.scores.classes)} cl." if cell else "" for cell in row] for row in cells]
    )
    figure, axes = heat_map(values, names, found.matrix.domains, "UAR", counts=classes)
    axes.set(xlabel="tested on", ylabel="trained on")
    return figure


def layers_figure(found: Transfer) -> Figure:
    """Mean UAR within and across corpora over the layers, of each encoder."""
    figure, (axes,) = panels(1, 1, PAGE, 3.0)
    entries = []
    for number, (name, curve) in enumerate(found.curves.items()):
        colour = PALETTE[number % len(PALETTE)]
        for kind, dashes in ((WITHIN, "-"), (ACROSS, "--")):
            values = curve.mean(found.matrix.cells, kind)
            if values is None:
                continue
            look = {"color": colour, "ls": dashes, "marker": MARKERS[number % len(MARKERS)],
                    "ms": 4}  # fmt: skip
            axes.plot(curve.layers, values, **look)
            label = f"{kind} corpora" if len(found.curves) == 1 else f"{name}, {kind}"
            entries.append(entry(label, **look))
    chance = [one.chance for one in found.first.tested if one.cell.kind == ACROSS]
    axes.axhline(float(np.mean(chance)), **CHANCE)
    entries.append(entry(f"chance across: {np.mean(chance):.3f}", **CHANCE))
    axes.set(xlabel="hidden layer", ylabel="mean UAR", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, entries)
    return figure


def alignment_figure(found: Transfer) -> Figure:
    """CKA of the class means of corpora as a heat map, above its mean over exchanged classes."""
    names = found.matrix.domains
    values = np.full((len(names), len(names)), np.nan)
    words = np.full(values.shape, "", object)
    for one in found.alignments:
        for a, b in ((one.first, one.second), (one.second, one.first)):
            place = names.index(a), names.index(b)
            values[place], words[place] = one.cka, f"({one.exchanged:.2f})"
    figure, _ = heat_map(values, names, names, "CKA of class means", counts=words)
    return figure
