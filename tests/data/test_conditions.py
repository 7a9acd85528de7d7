"""Caches with degraded utterances: what a reader sees of them, compared with NumPy."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import Cache
from data.cache.file import CacheFile
from data.cache.shards import Shards
from data.cache.summary import summary
from data.cache.writer import merge, write_cache
from data.condition import Condition, clean_id
from data.errors import CacheError
from data.utterance import Utterance

RECIPE = {"model": "m", "control": False, "layers": [0, 3], "pooling": ["mean"]}
CONDITIONS = ("", "noise:20", "telephone")


def written(path, rows, dim=3):
    """A cache of (condition, utterance) pairs; returns its numbers, (layer, utterance, dim)."""
    conditions = [condition for condition, _ in rows]
    ids = [Condition(c, "").id(f"c/{n}") if c else f"c/{n}" for c, n in rows]
    count = len(rows)
    values = np.random.default_rng(count).standard_normal((2, count, dim)).astype(np.float32)
    columns = {
        "id": ids,
        "corpus": ["c"] * count,
        "path": [f"{n}.wav" for _, n in rows],
        "speaker": ["s"] * count,
        "emotion": ["joy"] * count,
        "start": [None] * count,
        "end": [None] * count,
        "duration": [1.0] * count,
        "sha256": [f"{n:064x}" for _, n in rows],
    }
    if any(conditions):
        columns["condition"] = conditions
        columns["condition_digest"] = [
            condition and f"digest of {condition}" for condition in conditions
        ]
        columns["achieved"] = [20.0 if condition else None for condition in conditions]
    write_cache(path, RECIPE, columns, {"mean": values})
    return ids, values


rows_of_a_file = st.lists(
    st.tuples(st.sampled_from(CONDITIONS), st.integers(0, 9)), min_size=1, max_size=20, unique=True
)


@given(st.lists(rows_of_a_file, min_size=1, max_size=3))
def test_a_reader_has_clean_utterances_or_all_of_them(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("cache")
    newest = {}
    for number, rows in enumerate(files):
        ids, values = written(folder / f"{number}.h5", rows)
        newest |= {name: values[:, row] for row, name in enumerate(ids)}
    for degraded in (True, False):
        wanted = sorted(name for name in newest if degraded or not name.startswith("~"))
        with Cache(folder, degraded=degraded) as cache:
            assert cache.utterances["id"].tolist() == wanted
            assert len(cache) == len(wanted)
            found = cache.embeddings()
            assert cache.layer(3, start=1, stop=3).tolist() == found[1, 1:3].tolist()
            assert {*cache.utterances} >= {"id", "sha256"}
            assert degraded or "condition" not in cache.utterances
            stored = {condition for rows in files for condition, _ in rows}
            assert cache.conditions == tuple(sorted(stored - {""}))
        for row, name in enumerate(wanted):
            np.testing.assert_array_equal(found[:, row], newest[name])


def test_columns_distinguish_the_conditions(tmp_path):
    written(tmp_path / "c.h5", [("", 1), ("telephone", 1), ("noise:20", 1), ("", 0)])
    with Cache(tmp_path / "c.h5", degraded=True) as cache, h5py.File(tmp_path / "c.h5") as file:
        table = cache.utterances
        assert table["id"].tolist() == ["c/0", "c/1", "~noise:20/c/1", "~telephone/c/1"]
        assert table["condition"].tolist() == ["", "", "noise:20", "telephone"]
        assert table["achieved"].tolist()[2:] == [20.0, 20.0]
        assert table["id"].map(clean_id).tolist() == ["c/0", "c/1", "c/1", "c/1"]
        assert file["utterances/condition"].asstr()[()].tolist() == table["condition"].tolist()


def test_conditions_without_levels_have_the_column(tmp_path):
    ids, _ = written(tmp_path / "c.h5", [("", 1), ("telephone", 1)])
    with h5py.File(tmp_path / "c.h5", "a") as file:
        del file["utterances/achieved"]  # packing drops columns in which nothing is known
    written(tmp_path / "clean.h5", [("", 1)])
    for name in ("c.h5", "clean.h5"):
        with Cache(tmp_path / name, degraded=True) as cache:
            assert cache.utterances["achieved"].isna().all()
            assert cache.utterances["condition"].tolist() == ["", "telephone"][: len(cache)]
    with Cache(tmp_path / "c.h5") as cache:
        assert summary(cache)["conditions"] == {"telephone": {"utterances": 1, "achieved": None}}
    assert ids[0] == "c/1"


def test_another_digest_is_another_version(tmp_path):
    written(tmp_path / "c.h5", [("", 1), ("telephone", 1)])
    known = Shards(tmp_path / "c.h5").known()
    utterance = Utterance("c/1", "c", tmp_path, "1.wav")
    same = utterance.degraded(Condition("telephone", "digest of telephone"))
    other = utterance.degraded(Condition("telephone", "digest of another"))
    assert known[utterance.id] == utterance.version(f"{1:064x}")
    assert known[same.id] == same.version(f"{1:064x}")
    assert known[other.id] != other.version(f"{1:064x}")


def test_a_new_label_reaches_the_degraded_utterances(tmp_path):
    written(tmp_path / "c.h5", [("", 1), ("telephone", 1), ("telephone", 2)])
    current = {"c/1": Utterance("c/1", "c", tmp_path, "1.wav", "s", "anger")}
    merge([CacheFile(tmp_path / "c.h5")], tmp_path / "d.h5", current)
    with Cache(tmp_path / "d.h5", degraded=True) as cache:
        assert cache.utterances["emotion"].tolist() == ["anger", "anger", "joy"]
        assert cache.utterances["condition"].tolist() == ["", "telephone", "telephone"]


def test_text_in_place_of_the_achieved_level_is_damage(tmp_path):
    written(tmp_path / "c.h5", [("telephone", 1)])
    with h5py.File(tmp_path / "c.h5", "a") as file:
        del file["utterances/achieved"]
        file["utterances/achieved"] = np.array([b"20"])
    with pytest.raises(CacheError, match=r"achieved is .*expected float64"):
        Cache(tmp_path / "c.h5", degraded=True).utterances  # noqa: B018
