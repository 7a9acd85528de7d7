"""2-D maps of a layer: utterances with similar features are near each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from classify.evaluation.folds import Rows

MOST = 1000  # utterances of a map: more would only hide each other, and t-SNE takes long
FEWEST = 4  # utterances that a map needs
PERPLEXITY = 30.0  # of t-SNE: about so many neighbours count
STEPS = 500  # of t-SNE
COMPONENTS = 50  # leading principal components that discriminants and t-SNE are given

Matrix = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Map:
    """Coordinates of utterances in a plane."""

    kind: str  # "PCA", "LDA" or "t-SNE"
    axes: tuple[str, str]  # their labels
    rows: Rows  # (point,) which utterance
    points: Matrix  # (point, 2)


@dataclass(frozen=True)
class LayerMaps:
    """Maps of one layer. Their rows are those of the target."""

    layer: int
    maps: list[Map]


def draw_maps(X: Matrix, y: Rows, speakers: npt.NDArray, seed: int = 0) -> list[Map]:
    """Place utterances by PCA, LDA and t-SNE of their standardised features.

    The discriminants are fitted to half of the speakers, and the other half is drawn, since in many
    dimensions discriminants separate any training data. Two classes have only one discriminant, and
    therefore no map.

    Args:
        X: (utterance, dim) features of one layer; of more than 1000 rows some are drawn at random.
        y: (utterance,) number of the class.
        speakers: (utterance,) names.
        seed: of the random numbers.
    """
    if len(X) < FEWEST:
        return []
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(X))[:MOST])
    names = np.unique(speakers[rows].astype(str))
    half = random.permutation(names)[: len(names) // 2]
    train = np.isin(speakers.astype(str), half)
    components = PCA(min(COMPONENTS, len(rows), X.shape[1]), random_state=seed)
    places = components.fit_transform(StandardScaler().fit_transform(X[rows]))
    first, second = components.explained_variance_ratio_[:2]
    axes = f"PC 1 ({first:.0%} of variance)", f"PC 2 ({second:.0%})"
    maps = [Map("PCA", axes, rows, places[:, :2])]
    if len(np.unique(y[rows[train[rows]]])) > 2:
        maps.append(_discriminants(X, y, rows[train[rows]], rows[~train[rows]]))
    return [*maps, Map("t-SNE", ("t-SNE 1", "t-SNE 2"), rows, _neighbours(places, seed))]


def _discriminants(X: Matrix, y: Rows, train: Rows, test: Rows) -> Map:
    """Discriminants of the classes of `train`, and where `test` lies along them."""
    components = PCA(min(COMPONENTS, len(train), X.shape[1]), random_state=0)
    lda = LinearDiscriminantAnalysis(n_components=2)
    steps = make_pipeline(StandardScaler(), components, lda).fit(X[train], y[train])
    points = steps.transform(X[test])
    return Map("LDA", ("discriminant 1", "discriminant 2"), test, points)


def _neighbours(places: Matrix, seed: int) -> Matrix:
    """t-SNE on one thread, since its threads use busy waiting."""
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (len(places) - 1) / 3),
        max_iter=STEPS,
        init="pca",
        random_state=seed,
    )
    with threadpool_limits(1):
        return tsne.fit_transform(places)
