"""Debiased linear CKA, compared with its definition in loops, and its invariances."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classify.probing import similarity
from classify.probing.similarity import cka, compare
from data import Cache
from data.cache.writer import write_cache
from data.errors import UsageError


def plain_hsic(X, Y):
    """Song et al. 2012, equation 5, index by index."""
    n = len(X)
    K = [[float(X[i] @ X[j]) if i != j else 0.0 for j in range(n)] for i in range(n)]
    L = [[float(Y[i] @ Y[j]) if i != j else 0.0 for j in range(n)] for i in range(n)]
    trace = sum(K[i][j] * L[j][i] for i in range(n) for j in range(n))
    sums = sum(map(sum, K)) * sum(map(sum, L))
    chained = sum(K[i][j] * L[j][k] for i in range(n) for j in range(n) for k in range(n))
    return (trace + sums / ((n - 1) * (n - 2)) - 2 / (n - 2) * chained) / (n * (n - 3))


def plain_cka(X, Y):
    return plain_hsic(X, Y) / np.sqrt(plain_hsic(X, X) * plain_hsic(Y, Y))


def noise(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def related(seed, n, *widths):
    """Representations that share three directions."""
    common = noise(seed, n, 3)
    return [
        common @ noise(seed + k, 3, width) + noise(seed + 10 + k, n, width) + k
        for k, width in enumerate(widths, start=1)
    ]


@pytest.mark.parametrize(
    ("n", "widths"), [(6, (9, 4)), (12, (3, 5)), (4, (2, 2)), (15, (1, 30)), (9, (40, 30))]
)
def test_it_follows_its_definition(n, widths):
    X, Y = related(n, n, *widths)
    assert cka([X], [Y])[0, 0] == pytest.approx(plain_cka(X, Y), abs=1e-5)


def test_grams_in_stretches_are_as_whole_ones(monkeypatch):
    layers = related(1, 30, 80, 50)  # wider than their utterances are many
    whole = cka(layers)
    monkeypatch.setattr(similarity, "BLOCK", 2 * 30 * 7)
    np.testing.assert_allclose(cka(layers), whole, rtol=1e-5)


@given(seed=st.integers(0, 99), scale=st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_rotation_shift_and_scale_change_nothing(seed, scale):
    X, Y = related(seed, 40, 12, 7)
    rotation = np.linalg.qr(noise(seed, 12, 12))[0]
    turned = scale * X @ rotation + noise(seed + 1, 12)
    np.testing.assert_allclose(cka([turned], [Y]), cka([X], [Y]), atol=1e-5)


def test_a_stretched_axis_does_change_it():
    X, Y = related(3, 60, 12, 7)
    assert abs(cka([X * np.logspace(0, 2, 12)], [Y]) - cka([X], [Y]))[0, 0] > 0.01


def test_a_layer_is_like_itself_and_the_table_is_symmetric():
    layers = related(5, 50, 8, 8, 30)
    table = cka(layers)
    np.testing.assert_allclose(np.diag(table), 1, atol=1e-6)
    np.testing.assert_allclose(table, table.T)
    np.testing.assert_allclose(table, cka(layers, layers), atol=1e-6)
    assert table.max() < 1 + 1e-6


def test_unrelated_features_score_zero_however_wide_they_are():
    """Where the plain estimate is near 1 for want of utterances."""
    scores = np.array(
        [cka([noise(n, 60, 400)], [noise(n + 500, 60, 400)])[0, 0] for n in range(80)]
    )
    X, Y = (each - each.mean(0) for each in (noise(0, 60, 400), noise(500, 60, 400)))
    biased = np.square(X.T @ Y).sum() / np.sqrt(np.square(X.T @ X).sum() * np.square(Y.T @ Y).sum())
    assert biased > 0.8
    assert abs(scores.mean()) < 4 * scores.std() / np.sqrt(len(scores))
    assert abs(scores).max() < 0.1


def test_constant_features_are_like_nothing():
    table = cka([noise(1, 20, 4), np.full((20, 4), 3.3)])
    assert table[0, 0] == pytest.approx(1)
    assert np.isnan(table[1]).all()


@pytest.mark.parametrize("counts", [(3, 3), (10, 9)])
def test_too_few_or_unequal_utterances(counts):
    with pytest.raises(ValueError, match="utterances"):
        cka([noise(0, n, 2) for n in counts])


RECIPE = {"model": "m", "control": False, "layers": [0, 4], "pooling": ["mean", "std"]}


def store(path, names, values, sha256="0", **recipe):
    count = len(names)
    columns = {
        "id": names,
        "path": names,
        "sha256": [sha256] * count,
        "duration": [1.0] * count,
        **{name: ["c"] * count for name in ("corpus", "speaker", "emotion")},
        **{name: [None] * count for name in ("start", "end")},
    }
    write_cache(path, RECIPE | recipe, columns, values)
    return Cache(path)


def drawn(seed, count, dim, layers=2):
    return {name: noise(seed + n, layers, count, dim).astype(np.float32)
            for n, name in enumerate(("mean", "std"))}  # fmt: skip


def test_caches_are_matched_by_id(tmp_path):
    names = [f"c/{n:02}" for n in range(30)]
    here = drawn(0, 30, 6)
    one = store(tmp_path / "a.h5", names, here)
    shuffled = np.random.default_rng(1).permutation(30)[:21]
    there = {name: values[::-1, shuffled] for name, values in here.items()}  # layers swapped too
    other = store(tmp_path / "b.h5", [names[n] for n in shuffled] + ["c/new"], {
        name: np.concatenate([values, values[:, :1]], 1) for name, values in there.items()
    }, model="other", control=True, layers=[1, 2])  # fmt: skip
    rows = np.arange(5, 30)
    found = compare(one, other, rows)
    kept = sorted(set(rows) & set(shuffled.tolist()))
    assert (found.utterances, found.of) == (len(kept), 25)
    assert found.layers == ((0, 4), (1, 2))
    assert found.encoders == ("m", "untrained control (other)")
    stacked = [np.hstack([here["mean"][n, kept], here["std"][n, kept]]) for n in range(2)]
    np.testing.assert_allclose(found.values, cka(stacked, stacked[::-1]), atol=1e-6)
    assert found.values[0, 1] == pytest.approx(1, abs=1e-5)
    assert json.loads(json.dumps(found.as_json()))["utterances"] == len(kept)


def test_one_pooling_is_enough(tmp_path):
    one = store(tmp_path / "a.h5", [f"c/{n}" for n in range(9)], drawn(0, 9, 6))
    other = store(tmp_path / "b.h5", [f"c/{n}" for n in range(9)],
                  {"mean": drawn(4, 9, 3)["mean"]}, pooling=["mean"])  # fmt: skip
    assert compare(one, other).poolings == ("mean",)
    assert compare(one, poolings=["std"]).poolings == ("std",)
    with pytest.raises(UsageError, match="share mean pooling; requested: std"):
        compare(one, other, poolings=["std"])


def test_other_recordings_under_the_same_ids_do_not_match(tmp_path):
    names = [f"c/{n}" for n in range(9)]
    one = store(tmp_path / "a.h5", names, drawn(0, 9, 6))
    other = store(tmp_path / "b.h5", names, drawn(0, 9, 6), sha256="1")
    with pytest.raises(UsageError, match="has 0 of the 9 utterances"):
        compare(one, other)
