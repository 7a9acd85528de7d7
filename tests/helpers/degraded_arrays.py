"""A cache with conditions as arrays, read without this project's code for conditions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.evaluation.folds import inner_folds
from data import Cache

# it has a closed form, so that no near tie is decided by how far a fit has converged
RIDGE = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1000))


class Arrays:
    """Features, classes, speakers and conditions of a cache, and predictions fit by fit."""

    def __init__(self, path: Path) -> None:
        with Cache(path, degraded=True) as cache:
            table = cache.utterances
            self.layers = [
                np.hstack([cache.layer(layer, name) for name in cache.poolings])
                for layer in cache.layers
            ]
            self.logmel = cache.baseline("logmel") if cache.baselines else None
        self.X = np.mean(self.layers, axis=0, dtype=np.float32)
        self.condition = table["condition"].to_numpy(str)
        self.speaker = table["speaker"].to_numpy(str)
        self.speakers = np.unique(self.speaker)
        self.y = table["emotion"].to_numpy(str)
        self.id = np.array([one.partition("/")[2] if one[0] == "~" else one for one in table["id"]])

    def predicted(
        self, X: np.ndarray, trained: Sequence[str] = ("",), head: object = RIDGE
    ) -> np.ndarray:
        """Leave one speaker out, trained in some conditions and tested in all."""
        found = np.full(len(self.y), "", object)
        for name in self.speakers:
            test = self.speaker == name
            train = ~test & np.isin(self.condition, trained)
            found[test] = clone(head).fit(X[train], self.y[train]).predict(X[test])
        return found

    def uar(self, predicted: np.ndarray, *conditions: str) -> float:
        """UAR in some conditions together."""
        some = np.isin(self.condition, conditions) & (predicted != "")
        return recall_score(self.y[some], predicted[some].astype(str), average="macro")

    def inner_uar(
        self, X: np.ndarray, speakers: np.ndarray, trained: Sequence[str], tested: Sequence[str]
    ) -> float:
        """Mean UAR over conditions in the inner folds of some speakers."""
        rows = np.flatnonzero(np.isin(self.speaker, speakers) & (self.condition == ""))
        classes = np.unique(self.y, return_inverse=True)[1]
        predicted = np.full(len(self.y), "", object)
        for train, test in inner_folds(classes[rows], self.speaker[rows], "speaker", 0)[0]:
            known, new = (np.isin(self.speaker, self.speaker[rows[part]]) for part in (train, test))
            known &= np.isin(self.condition, trained)
            predicted[new] = clone(RIDGE).fit(X[known], self.y[known]).predict(X[new])
        return float(np.mean([self.uar(predicted, name) for name in tested]))
