"""Online coding, compared with a loop over blocks with scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.probing.description_length import (
    ORDERS,
    blocks,
    description_length,
    online_code_length,
)
from classify.probing.options import ProbeOptions
from classify.probing.targets import task
from data import Cache


@pytest.fixture
def emotion(make_cache):
    cache = make_cache(speakers=6, separation=1.5)
    with Cache(cache) as opened:
        return task(opened.utterances, "emotion", ProbeOptions(cache=cache)), opened.layer(1)


def test_each_block_has_new_speakers() -> None:
    speakers = np.repeat(list("abcdefghijk"), 3).astype(object)
    known = blocks(speakers, seed=0)
    assert [len(set(speakers[rows])) for rows in known] == [1, 2, 4, 8]
    for before, after in pairwise(known):
        assert (after | ~before).all()
    for rows in known:
        assert not set(speakers[rows]) & set(speakers[~rows])


def test_length_is_that_of_a_loop_over_blocks(emotion) -> None:
    of, X = emotion
    (found,) = description_length(of, [(1, X)], "logreg", np.array([0.1]), seed=4)
    lengths = []
    for order in range(ORDERS):
        seen = np.zeros(len(of.y), bool)
        bits = 0.0
        known = [*blocks(of.groups, 4 + order), np.ones(len(of.y), bool)]
        bits += known[0].sum() * np.log2(4)
        for seen, then in pairwise(known):
            head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
            head.fit(X[seen], of.y[seen])
            for x, y in zip(X[then & ~seen], of.y[then & ~seen], strict=True):
                p = head.predict_proba([x])[0, y]
                p = (seen.sum() * p + 1 / 4) / (seen.sum() + 1)
                bits -= np.log2(p)
        lengths.append(bits)
    assert found.bits == pytest.approx(np.mean(lengths), rel=2e-3)
    assert found.uniform_bits == 2 * len(of.y)


def test_the_better_known_the_shorter(emotion) -> None:
    of, X = emotion
    C = np.array([0.01, 0.1, 1])
    noise = np.random.default_rng(0).normal(size=X.shape).astype(np.float32)
    certain = np.eye(4, dtype=np.float32)[of.y]
    lengths = description_length(of, [(0, noise), (1, X), (2, certain)], "logreg", C, 0)
    none, some, all_ = (row.bits / row.uniform_bits for row in lengths)
    assert all_ < some < none < 1.2
    assert all_ < 0.5
    assert {row.C for row in lengths} <= set(C)


def test_an_unseen_class_costs_finitely_many_bits() -> None:
    log_p = np.log(np.array([[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]]) + 1e-300)
    log_p[0, 2, 1] = -np.inf
    known = np.array([[True, True, False]])
    length = online_code_length(log_p, np.array([0, 0, 1]), known)
    assert length == pytest.approx(2 * np.log2(2) - np.log2((1 / 2) / 3))


def test_a_speaker_of_one_class_is_coded_uniformly(make_cache) -> None:
    """Sex: after the first speaker no probe can be trained yet."""
    cache = make_cache(speakers=4, columns={"sex": ["female"] * 32 + ["male"] * 32}, takes=4)
    with Cache(cache) as opened:
        of = task(opened.utterances, "sex", ProbeOptions(cache=cache))
        (length,) = description_length(of, [(1, opened.layer(1))], "logreg", np.array([0.1]), 0)
    assert np.isfinite(length.bits)
