"""Maps of a layer."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

from classify.probing.maps import MOST, draw_maps


def clouds(separation, speakers=8, classes=4, takes=5, dim=120, seed=0):
    """X, y and speakers of classes that are `separation` apart."""
    random = np.random.default_rng(seed)
    speaker, y, _ = (axis.ravel() for axis in np.indices((speakers, classes, takes)))
    X = separation * random.standard_normal((classes, dim))[y]
    X += random.standard_normal((len(y), dim))
    return X.astype(np.float32), y, np.array([f"c/{n}" for n in speaker], object)


def by_kind(maps):
    return {each.kind: each for each in maps}


def test_pca_is_that_of_standardised_features():
    X, y, speakers = clouds(2)
    found = by_kind(draw_maps(X, y, speakers))["PCA"]
    pca = PCA(2, svd_solver="full")
    expected = pca.fit_transform(StandardScaler().fit_transform(X))
    np.testing.assert_array_equal(found.rows, np.arange(len(X)))
    signs = np.sign((found.points * expected).sum(0))
    np.testing.assert_allclose(found.points * signs, expected, atol=1e-3)
    assert found.axes[0] == f"PC 1 ({pca.explained_variance_ratio_[0]:.0%} of variance)"


def test_discriminants_are_applied_to_new_speakers():
    X, y, speakers = clouds(2)
    maps = by_kind(draw_maps(X, y, speakers))
    shown = maps["LDA"].rows
    assert len(set(speakers[shown])) == 4
    assert set(shown) == {row for row in range(len(y)) if speakers[row] in set(speakers[shown])}
    assert silhouette_score(maps["LDA"].points, y[shown]) > 0.3
    assert silhouette_score(maps["t-SNE"].points, y) > 0.3


def test_noise_has_no_clusters_in_any_map():
    """Discriminants of these very points would part them."""
    X, y, speakers = clouds(0, dim=400)
    for each in draw_maps(X, y, speakers):
        assert silhouette_score(each.points, y[each.rows]) < 0.05


def test_two_classes_have_no_map_of_discriminants():
    assert by_kind(draw_maps(*clouds(2, classes=2))).keys() == {"PCA", "t-SNE"}


def test_one_speaker_has_no_others_to_show():
    assert by_kind(draw_maps(*clouds(2, speakers=1))).keys() == {"PCA", "t-SNE"}


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_utterances_have_no_map(count):
    X, y, speakers = clouds(2)
    assert draw_maps(X[:count], y[:count], speakers[:count]) == []
    assert [each.points.shape for each in draw_maps(X[:4], y[:4], speakers[:4])] == [(4, 2)] * 2


def test_of_very_many_some_are_shown(monkeypatch):
    monkeypatch.setattr("classify.probing.maps.MOST", 60)
    X, y, speakers = clouds(2)
    for each in draw_maps(X, y, speakers):
        assert len(each.rows) <= 60 < MOST


def test_the_same_seed_gives_the_same_map():
    one, other = draw_maps(*clouds(1), seed=3), draw_maps(*clouds(1), seed=3)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.points, b.points)
