"""The cache file and its reader, compared with h5py and NumPy."""

import json
import multiprocessing
import pickle
import string
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import Cache
from data.cache.file import CacheFile
from data.cache.recipe import fingerprint
from data.cache.writer import merge, write_cache
from data.errors import CacheError
from data.utterance import Utterance

RECIPE = {"model": "m", "control": False, "layers": [0, 3], "pooling": ["mean", "max"]}


def columns_for(ids, **more):
    count = len(ids)
    return {
        "id": list(ids),
        "corpus": ["c"] * count,
        "path": [f"{name}.wav" for name in ids],
        "speaker": [f"s{n % 3}" for n in range(count)],
        "emotion": ["Ärger", "joy"] * (count // 2) + ["Ärger"] * (count % 2),
        "start": [None] * count,
        "end": [None] * count,
        "duration": [0.5 + n for n in range(count)],
        "sha256": [f"{n:064x}" for n in range(count)],
    } | more


def numbers(count, seed=0, layers=2, dim=5):
    random = np.random.default_rng(seed)
    return {
        name: random.standard_normal((layers, count, dim)).astype(np.float32)
        for name in ("mean", "max")
    }


@pytest.fixture
def cache(tmp_path):
    ids = [f"c/{n}" for n in (3, 1, 2, 0)]
    write_cache(tmp_path / "c.h5", RECIPE, columns_for(ids, age=[30, None, 20, 41]), numbers(4))
    return tmp_path / "c.h5"


def test_h5py_reads_what_was_written(cache):
    order = [3, 1, 2, 0]  # by id
    with h5py.File(cache) as file:
        assert file.attrs["format"] == "wav2emo"
        assert json.loads(file.attrs["recipe"]) == RECIPE
        assert file.attrs["fingerprint"] == fingerprint(RECIPE)
        assert file["utterances/id"].asstr()[()].tolist() == ["c/0", "c/1", "c/2", "c/3"]
        assert file["utterances/emotion"].asstr()[1] == "joy"
        np.testing.assert_array_equal(file["utterances/age"][()], [41, np.nan, 20, 30])
        np.testing.assert_array_equal(file["layers/max"][()], numbers(4)["max"][:, order])
        assert file["layers/mean"].chunks is None
        assert file["layers/mean"].id.get_offset() % 64 == 0


def test_reader_gives_what_h5py_gives(cache):
    with Cache(cache) as read, h5py.File(cache) as file:
        assert (len(read), read.dim, read.layers) == (4, 5, (0, 3))
        np.testing.assert_array_equal(read.layer(3), file["layers/mean"][1])
        np.testing.assert_array_equal(read.layer(0, "max"), file["layers/max"][0])
        np.testing.assert_array_equal(read.layer(3, start=1, stop=3), file["layers/mean"][1, 1:3])
        np.testing.assert_array_equal(read.embeddings("max"), file["layers/max"][()])
        np.testing.assert_array_equal(read["c/2"], file["layers/mean"][:, 2])
        several = file["layers/mean"][()].transpose(1, 0, 2)[[3, 0]]
        np.testing.assert_array_equal(read[["c/3", "c/0"]], several)
        table = read.utterances
        assert table["emotion"].tolist() == ["joy", "joy", "Ärger", "Ärger"]
        assert table["age"].isna().tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: c.layer(7), "no layer 7 (stored: 0, 3)"),
        (lambda c: c.layer(0, "std"), "no pooling 'std' (stored: mean, max)"),
        (lambda c: c.sequences(0), "no sequences of layer 0"),
        (lambda c: c.baseline("logmel"), "no baseline 'logmel' (stored: none; extract again"),
    ],
)
def test_missing_data_is_named(cache, call, words):
    with Cache(cache) as read, pytest.raises(CacheError) as caught:
        call(read)
    assert words in str(caught.value)
    with pytest.raises(KeyError, match="no utterance 'c/9'"):
        Cache(cache)["c/9"]


def test_a_missing_cache_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(CacheError, match="python -m extract"):
        Cache(tmp_path / "none.h5")
    (tmp_path / "begun.h5.parts").mkdir()
    (tmp_path / "begun.h5.parts" / "1.h5").touch()
    with pytest.raises(CacheError, match=r"not finished.*data pack"):
        Cache(tmp_path / "begun.h5")


ids = st.lists(
    st.text(string.ascii_letters + "é/-_.#", min_size=1, max_size=12), min_size=1, unique=True
)


@given(data=st.data(), pieces=st.lists(ids, min_size=1, max_size=5))
def test_merged_files_hold_the_newest_row_of_every_id(tmp_path_factory, data, pieces):
    folder = tmp_path_factory.mktemp("merge")
    expected, files = {}, []
    for number, names in enumerate(pieces):
        more = {"sex": ["f"] * len(names)} if data.draw(st.booleans()) else {}
        values = numbers(len(names), seed=number)
        path = folder / f"{number}.h5"
        write_cache(
            path, RECIPE, columns_for(names, **more), values, None, {"created": str(number)}
        )
        files.append(CacheFile(path))
        for row, name in enumerate(names):
            expected[name] = (values["mean"][:, row], bool(more))
    assert merge(files, folder / "merged.h5") == len(expected)
    merged, together = Cache(folder / "merged.h5"), Cache(folder)
    in_order = sorted(expected, key=str.encode)
    assert merged.utterances["id"].tolist() == in_order
    stacked = np.stack([expected[name][0] for name in in_order], axis=1)
    np.testing.assert_array_equal(merged.embeddings(), stacked)
    if "sex" in merged.utterances:
        assert merged.utterances["sex"].eq("f").tolist() == [expected[n][1] for n in in_order]
    # a folder reads as if it were packed; it holds the merged file too, the newest of all
    np.testing.assert_array_equal(together.embeddings(), stacked)


@given(st.permutations([f"c/{n}" for n in range(9)]), st.integers(1, 8))
def test_bytes_depend_on_contents_alone(tmp_path_factory, names, cut):
    """However the utterances were spread over shards, the packed bytes are the same."""
    folder = tmp_path_factory.mktemp("bytes")
    values = {name: numbers(1, seed=int(name[2:])) for name in names}
    files = []
    for number, part in enumerate((names[:cut], names[cut:])):
        layers = {p: np.concatenate([values[n][p] for n in part], 1) for p in ("mean", "max")}
        columns = columns_for(part, sha256=list(part), duration=[1.0] * len(part))
        columns |= {"speaker": ["x"] * len(part), "emotion": ["y"] * len(part)}
        write_cache(folder / f"{number}.h5", RECIPE, columns, layers)
        files.append(CacheFile(folder / f"{number}.h5"))
    merge(files, folder / "merged.h5")
    layers = {
        p: np.concatenate([values[f"c/{n}"][p] for n in range(9)], 1) for p in ("mean", "max")
    }
    names = [f"c/{n}" for n in range(9)]
    columns = columns_for(names, sha256=names, duration=[1.0] * 9)
    write_cache(
        folder / "whole.h5", RECIPE, columns | {"speaker": ["x"] * 9, "emotion": ["y"] * 9}, layers
    )
    assert without_provenance(folder / "merged.h5") == without_provenance(folder / "whole.h5")


def without_provenance(path: Path) -> bytes:
    content = path.read_bytes()
    begin = content.index(b'{"created"')
    end = content.index(b"}", begin)
    return content[:begin] + b" " * (end - begin + 1) + content[end + 1 :]


def test_sequences_of_ragged_length_survive_write_and_merge(tmp_path):
    recipe = RECIPE | {"sequence_layers": [3], "sequence_rate": 5.0}
    random = np.random.default_rng(0)
    ragged = {f"c/{n}": random.random((1, n + 1, 5)).astype(np.float16) for n in range(6)}
    files = []
    for number, names in enumerate((["c/4", "c/0", "c/2"], ["c/5", "c/1", "c/3", "c/0"])):
        values = np.concatenate([ragged[name] for name in names], axis=1)
        offsets = np.cumsum([0] + [ragged[name].shape[1] for name in names])
        path = tmp_path / f"{number}.h5"
        sequences = {"values": values, "offsets": offsets}
        write_cache(path, recipe, columns_for(names), numbers(len(names)), sequences)
        files.append(CacheFile(path))
    (tmp_path / "packed").mkdir()
    merge(files, tmp_path / "packed" / "c.h5")
    for cache in (Cache(tmp_path / "packed" / "c.h5"), Cache(tmp_path)):
        for name, steps in zip(cache.utterances["id"], cache.sequences(3), strict=True):
            np.testing.assert_array_equal(steps, ragged[name][0])


def test_labels_follow_the_corpus_and_embeddings_stay(cache, tmp_path):
    now = {
        "c/1": Utterance("c/1", "c", tmp_path, "moved/1.wav", "s9", "sadness", None, None,
                         {"sex": "female"}),
    }  # fmt: skip
    before = Cache(cache).embeddings()
    merge([CacheFile(cache)], cache, current=now)
    after = Cache(cache)
    np.testing.assert_array_equal(after.embeddings(), before)
    table = after.utterances.set_index("id")
    assert table.loc["c/1", ["path", "speaker", "emotion", "sex"]].tolist() == [
        "moved/1.wav", "s9", "sadness", "female",
    ]  # fmt: skip
    assert table.loc["c/0", "emotion"] == "joy"
    assert np.isnan(table.loc["c/1", "age"])
    assert table.loc["c/0", "age"] == 41


def test_other_recipes_do_not_mix(tmp_path):
    write_cache(tmp_path / "a.h5", RECIPE, columns_for(["c/0"]), numbers(1))
    write_cache(tmp_path / "b.h5", RECIPE | {"model": "n"}, columns_for(["c/1"]), numbers(1))
    with pytest.raises(CacheError, match=r"model: m \(cache\) ≠ n \(asked\)"):
        merge([CacheFile(tmp_path / "a.h5"), CacheFile(tmp_path / "b.h5")], tmp_path / "c.h5")
    with pytest.raises(CacheError, match="have different recipes"):
        Cache(tmp_path)


def _layer_in_child(cache, queue):
    queue.put(cache.layer(3))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_safe_to_fork_and_to_pickle(cache, method):
    read = Cache(cache)
    expected = read.layer(3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(read)).layer(3), expected)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=_layer_in_child, args=(read, queue)) for _ in range(3)]
    for child in children:
        child.start()
    for _ in children:
        np.testing.assert_array_equal(queue.get(timeout=60), expected)
    for child in children:
        child.join()


LOADER = """
import sys
import numpy as np
from torch.utils.data import DataLoader, Dataset
from data import Cache

class Rows(Dataset):
    def __init__(self, cache):
        self.cache = cache
        self.ids = cache.utterances["id"].tolist()

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        return self.cache[self.ids[index]]

batches = list(DataLoader(Rows(Cache(sys.argv[1])), batch_size=2, num_workers=2))
expected = Cache(sys.argv[1]).embeddings()
np.testing.assert_array_equal(np.concatenate(batches).transpose(1, 0, 2), expected)
"""


def test_works_in_a_data_loader(cache):
    """In a process of its own: a loader forks, which what other tests have started may not bear."""
    subprocess.run([sys.executable, "-c", LOADER, str(cache)], check=True, timeout=120)


def test_an_open_cache_goes_on_when_it_is_replaced(cache):
    read = Cache(cache)
    before = read.layer(0)
    write_cache(cache, RECIPE, columns_for(["c/7"]), numbers(1, seed=9))
    np.testing.assert_array_equal(read.layer(0), before)
    assert read.utterances["id"].tolist() == ["c/0", "c/1", "c/2", "c/3"]
    read.close()
    with pytest.raises(CacheError, match="replaced after it was opened"):
        read.layer(0)


def test_a_file_cut_short_is_an_error_and_no_crash(cache):
    content = cache.read_bytes()
    for length in range(0, len(content), 97):
        cache.write_bytes(content[:length])
        with pytest.raises(CacheError):
            Cache(cache)


def test_numbers_become_the_same_text_however_they_meet_text(tmp_path):
    numbers_, text = [20230101, 7.25], ["A", "B"]
    write_cache(tmp_path / "a.h5", RECIPE, columns_for(["c/0", "c/1"], s=numbers_), numbers(2))
    write_cache(tmp_path / "b.h5", RECIPE, columns_for(["c/2", "c/3"], s=text), numbers(2))
    merge([CacheFile(tmp_path / f"{n}.h5") for n in "ab"], tmp_path / "m.h5")
    assert Cache(tmp_path / "m.h5").utterances["s"].tolist() == ["20230101", "7.25", "A", "B"]


def test_a_merged_file_is_no_newer_than_what_it_was_made_of(tmp_path):
    write_cache(tmp_path / "a.h5", RECIPE, columns_for(["c/0"]), numbers(1), None, {"created": "5"})
    merge([CacheFile(tmp_path / "a.h5")], tmp_path / "m.h5")
    assert CacheFile(tmp_path / "m.h5").age[0] == "5"


def test_poolings_must_have_one_width(tmp_path):
    values = numbers(1) | {"max": numbers(1, dim=9)["max"]}
    with pytest.raises(ValueError, match="max: got shape"):
        write_cache(tmp_path / "a.h5", RECIPE, columns_for(["c/0"]), values)


def test_any_number_of_columns(tmp_path):
    many = {f"column{n}": ["x"] for n in range(8_000)}
    write_cache(tmp_path / "a.h5", RECIPE, columns_for(["c/0"], **many), numbers(1))
    assert len(CacheFile(tmp_path / "a.h5").names) == 8_000 + 9 + 2
