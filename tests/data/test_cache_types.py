"""All readers refuse caches whose datasets have other types than the schema."""

import hashlib

import h5py
import numpy as np
import pytest

from classify.dataset import load
from classify.options import Options
from data import Cache
from data.cache.file import parts_folder
from data.cache.recipe import canonical, fingerprint
from data.cache.shards import Shards
from data.cache.writer import write_cache
from data.commands import export, info, pack
from data.errors import CacheError
from extract.commands import verify

RECIPE = {
    "model": "m",
    "control": False,
    "layers": [0, 3],
    "pooling": ["mean"],
    "baselines": ["energy"],
    "sequence_layers": [3],
    "sequence_rate": 5,
}
COUNT, DIM = 6, 4


@pytest.fixture
def cache(tmp_path):
    """Every kind of dataset in one file."""
    random = np.random.default_rng(0)
    columns = {
        "id": [f"emodb/{n}" for n in range(COUNT)],
        "corpus": ["emodb"] * COUNT,
        "path": [f"{n}.wav" for n in range(COUNT)],
        "speaker": [f"s{n % 3}" for n in range(COUNT)],
        "emotion": ["W", "L"] * (COUNT // 2),
        "start": [None] * COUNT,
        "end": [None] * COUNT,
        "duration": [1.0] * COUNT,
        "sha256": [f"{n:064x}" for n in range(COUNT)],
        "age": [20.0 + n for n in range(COUNT)],
        "sex": ["female", "male"] * (COUNT // 2),
    }
    sequences = {
        "values": random.normal(size=(1, 2 * COUNT, DIM)).astype(np.float16),
        "offsets": np.arange(0, 2 * COUNT + 1, 2),
    }
    layers = {"mean": random.normal(size=(2, COUNT, DIM)).astype(np.float32)}
    energy = {"energy": random.normal(size=(COUNT, 2)).astype(np.float32)}
    write_cache(tmp_path / "c.h5", RECIPE, columns, layers, sequences, baselines=energy)
    return tmp_path / "c.h5"


def wrong(values: np.ndarray) -> dict[str, tuple[np.ndarray, object, dict]]:
    """Kind → values, type and storage of a dataset that is not of the schema."""
    text = values.dtype.kind == "S"
    zeros = np.zeros(values.shape)
    names = np.full(values.shape, "x", object)
    pair = np.zeros(values.shape, [("re", "<f4"), ("im", "<f4")])
    kinds = {
        "int32": (zeros.astype(np.int32), "<i4", {}),
        "float32 or float64": (zeros, "<f8" if values.dtype == np.float32 else "<f4", {}),
        "big-endian": (zeros, ">f4", {}),
        "bool": (zeros.astype(bool), "?", {}),
        "compound": (pair, pair.dtype, {}),
        "variable length": (names, h5py.string_dtype(), {}),
        "lists": (names, h5py.vlen_dtype(np.dtype("f4")), {}),
        "references": (names, h5py.ref_dtype, {}),
        "another rank": (values[..., None], values.dtype, {}),
        "longer": (np.concatenate([values, values]), values.dtype, {}),
        "chunked": (values, values.dtype, {"chunks": True}),
        "no elements": (None, h5py.Empty(values.dtype if not text else "<f4"), {}),
    }
    if not text:
        kinds["text"] = (np.full(values.shape, b"x"), "S1", {})
    return kinds


KINDS = [*wrong(np.zeros((1, 1), np.float32))]
DATASETS = [
    "utterances/id", "utterances/speaker", "utterances/start", "utterances/duration",
    "utterances/age", "utterances/sex", "utterances/sha256", "layers/mean", "baselines/energy",
    "sequences/values", "sequences/offsets",
]  # fmt: skip


def replace(path, name: str, kind: str) -> None:
    """Put a dataset of a wrong kind in the place of a right one, with its checksum."""
    with h5py.File(path, "r+") as file:
        before = file[name][()]
        values, dtype, storage = wrong(before)[kind]
        del file[name]
        if values is None:
            made = file.create_dataset(name, data=dtype)
        elif values.dtype == object:
            made = file.create_dataset(name, values.shape, dtype)
            if h5py.check_string_dtype(dtype):
                made[...] = values
        else:
            values = values.astype(dtype)
            made = file.create_dataset(name, data=values, **storage)
        content = b"" if values is None or values.dtype == object else values.tobytes()
        made.attrs["sha256"] = hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", DATASETS)
def test_every_reader_refuses_every_wrong_type(cache, name: str, tmp_path, capsys) -> None:
    right = cache.read_bytes()
    assert verify.main([str(cache)]) == 0
    for kind in KINDS:
        cache.write_bytes(right)
        with h5py.File(cache) as file:
            text = file[name].dtype.kind == "S"
        if (kind == "text" and text) or (name, kind) in ALLOWED:
            continue
        replace(cache, name, kind)
        if name == "layers/mean":  # by which the file is known
            with pytest.raises(CacheError, match="layers/mean"):
                verify.main([str(cache)])
        else:
            assert verify.main([str(cache)]) == 1, kind
            assert name in capsys.readouterr().out, kind
        with pytest.raises(CacheError):
            load(Options(cache=cache, head="logreg", layer=3))
        with pytest.raises(CacheError):
            pack.main([str(tmp_path / "p.h5"), str(cache)])
        for reader in (
            lambda: info.main([str(cache)]),
            lambda: export.main([str(cache), "-o", str(tmp_path / "e.parquet")]),
            lambda: everything(Cache(cache)),
            lambda: Shards(cache).known(),
        ):
            try:
                reader()
            except CacheError:
                continue
            if reader.__code__.co_names[0] == "everything":
                pytest.fail(f"{name} as {kind} was read")
        capsys.readouterr()


ALLOWED = {("utterances/age", "text")}


def everything(cache: Cache) -> None:
    cache.embeddings()
    cache.baseline("energy")
    cache.sequences(3)
    _ = cache.utterances


def test_verify_names_what_is_stored_and_what_is_expected(cache, capsys) -> None:
    replace(cache, "baselines/energy", "int32")
    replace(cache, "utterances/age", "variable length")
    assert verify.main([str(cache)]) == 1
    output = capsys.readouterr().out
    assert "baselines/energy is int32, expected float32" in output
    assert "utterances/age is text of variable length, expected text of a fixed length" in output


def test_int32_layers_are_no_longer_sound(cache) -> None:
    replace(cache, "layers/mean", "int32")
    with pytest.raises(CacheError, match=r"layers/mean is int32, expected float32; move it away"):
        Cache(cache)


def test_a_shard_of_a_wrong_type_is_set_aside(cache) -> None:
    replace(cache, "utterances/emotion", "variable length")
    folder = parts_folder(cache)
    folder.mkdir()
    cache.rename(folder / "1.h5")
    assert Shards(cache).sound() == []
    assert [file.name for file in folder.iterdir()] == ["1.h5.damaged"]


def test_missing_offsets_of_sequences_are_reported(cache) -> None:
    with h5py.File(cache, "r+") as file:
        del file["sequences/offsets"]
    with pytest.raises(CacheError, match="sequences/offsets is missing"):
        load(Options(cache=cache, head="logreg"))


@pytest.mark.parametrize(
    "offsets", [[0, 2, -4, 6, 8, 10, 12], [0, 2, 4, 6, 8, 10, 1 << 60], [1] * 7]
)
def test_offsets_that_do_not_fit_are_no_crash(cache, offsets: list[int], capsys) -> None:
    with h5py.File(cache, "r+") as file:
        file["sequences/offsets"][...] = offsets
    with pytest.raises(CacheError, match="offsets do not fit"):
        Cache(cache).sequences(3)
    assert verify.main([str(cache)]) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("pooling", 3), ("pooling", []), ("layers", "ab"), ("layers", None), ("baselines", [1]),
     ("baselines", 7), ("sequence_layers", {"a": 1}), ("sequence_layers", 5)],
)  # fmt: skip
def test_a_recipe_of_another_shape_is_refused(cache, field: str, value: object) -> None:
    recipe = RECIPE | {field: value}
    with h5py.File(cache, "r+") as file:
        file.attrs["recipe"], file.attrs["fingerprint"] = canonical(recipe), fingerprint(recipe)
    with pytest.raises(CacheError):
        everything(Cache(cache))


def test_provenance_that_is_no_object_is_refused(cache) -> None:
    with h5py.File(cache, "r+") as file:
        file.attrs["provenance"] = "[1]"
    with pytest.raises(CacheError):
        Cache(cache)


def test_a_claim_that_is_not_json_is_reported(cache) -> None:
    parts_folder(cache).mkdir()
    (parts_folder(cache) / "recipe.json").write_text("{")
    cache.unlink()
    with pytest.raises(CacheError, match=r"recipe\.json: damaged: not JSON"):
        Shards(cache).recipe()
