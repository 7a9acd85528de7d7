"""``python -m data info | verify | pack | export``, on caches of the stand-in encoder."""

import json
import subprocess
import sys

import numpy as np
import pandas
import pyarrow.parquet
import pytest
from standin import StandIn

from data import Cache
from data.cache.file import CacheFile, parts_folder
from data.cache.verify import problems
from data.cache.writer import write_cache
from data.commands import export, info, pack
from data.errors import CacheError, UsageError
from extract import shard_writer
from extract.commands import verify
from extract.pipeline import Settings, extract


@pytest.fixture
def cache(folder_corpus, utterances, tmp_path):
    extract(utterances(folder_corpus(12)), StandIn(), tmp_path / "c.h5")
    return tmp_path / "c.h5"


def flip(path, name, byte=3):
    """Change one byte of a dataset."""
    content = bytearray(path.read_bytes())
    content[CacheFile(path).stored(name).offset + byte] ^= 0x40
    path.write_bytes(content)


def test_info_fits_one_screen(cache, capsys, monkeypatch):
    monkeypatch.chdir(cache.parent)
    assert info.main([cache.name]) == 0
    shown = capsys.readouterr().out
    assert "12 utterances" in shown
    assert "layers 0–2 × mean × 8" in shown
    assert "baselines energy, logmel" in shown
    assert "anger 6, sadness 6" in shown
    assert "random weights" in shown
    assert len(shown.splitlines()) < 24
    assert max(map(len, shown.splitlines())) <= 100
    assert info.main([str(cache), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["fingerprint"] == Cache(cache).fingerprint
    assert printed["corpora"]["corpus"]["utterances"] == 12


def test_verify_finds_a_sound_cache_sound(cache, capsys):
    assert verify.main([str(cache)]) == 0
    assert "sound (12 utterances" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["layers/mean", "baselines/logmel", "utterances/sha256"])
def test_verify_names_the_damaged_dataset(cache, capsys, name):
    flip(cache, name)
    assert verify.main([str(cache)]) == 1
    assert f"{name} does not match its checksum" in capsys.readouterr().out


def test_verify_looks_at_the_numbers_too(cache, tmp_path):
    read = Cache(cache)
    values = read.embeddings()
    values[1, 4, 2] = np.nan
    columns = {name: column.tolist() for name, column in read.utterances.items()}
    baselines = {name: read.baseline(name) for name in read.baselines}
    baselines["logmel"][2, 7] = np.inf
    write_cache(tmp_path / "nan.h5", read.recipe, columns, {"mean": values}, baselines=baselines)
    assert list(problems(Cache(tmp_path / "nan.h5"))) == [
        f"{tmp_path / 'nan.h5'}: baselines/logmel: NaN or infinite",
        f"{tmp_path / 'nan.h5'}: layers/mean, layer 1: NaN or infinite",
    ]


def test_verify_needs_the_recordings_for_a_sample(cache):
    with pytest.raises(UsageError, match="--corpus-root"):
        verify.main([str(cache), "--sample", "3"])


def test_pack_finishes_what_was_interrupted(folder_corpus, utterances, tmp_path, capsys):
    class Interrupted(StandIn):
        def embed(self, waveforms):
            if self.embedded > 4:
                raise KeyboardInterrupt
            return super().embed(waveforms)

    with pytest.raises(KeyboardInterrupt):
        extract(utterances(folder_corpus(12)), Interrupted(), tmp_path / "c.h5",
                Settings(batch_seconds=1.0))  # fmt: skip
    with Cache(parts_folder(tmp_path / "c.h5")) as shards:
        count = len(shards)
    assert pack.main([str(tmp_path / "c.h5")]) == 0
    assert f"{count} utterances" in capsys.readouterr().out
    assert len(Cache(tmp_path / "c.h5")) == count
    assert not parts_folder(tmp_path / "c.h5").exists()


def test_pack_merges_caches_and_folders(folder_corpus, utterances, tmp_path):
    for name, count in (("one", 5), ("two", 7)):
        (tmp_path / name).mkdir()
        extract(utterances(folder_corpus(count, name=f"c-{name}")), StandIn(),
                tmp_path / name / "c.h5")  # fmt: skip
    assert pack.main([str(tmp_path / "both.h5"), str(tmp_path / "one" / "c.h5"),
                      str(tmp_path / "two")]) == 0  # fmt: skip
    assert len(Cache(tmp_path / "both.h5")) == 12
    assert len(Cache(tmp_path / "one" / "c.h5")) == 5


def test_pack_refuses_other_recipes_and_damage(cache, folder_corpus, utterances, tmp_path):
    extract(utterances(folder_corpus(3, name="x")), StandIn(model="other"), tmp_path / "o.h5")
    before = cache.read_bytes()
    with pytest.raises(CacheError, match=r"model: .* ≠ "):
        pack.main([str(cache), str(tmp_path / "o.h5")])
    extract(utterances(folder_corpus(3, name="y")), StandIn(), tmp_path / "d.h5")
    flip(tmp_path / "d.h5", "layers/mean")
    with pytest.raises(CacheError, match="does not match its checksum"):
        pack.main([str(cache), str(tmp_path / "d.h5")])
    assert cache.read_bytes() == before


def test_export_npz(cache, tmp_path):
    assert export.main([str(cache), "-o", str(tmp_path / "c.npz")]) == 0
    read = Cache(cache)
    with np.load(tmp_path / "c.npz") as arrays:
        np.testing.assert_array_equal(arrays["layers_mean"], read.embeddings())
        np.testing.assert_array_equal(arrays["baselines_logmel"], read.baseline("logmel"))
        assert arrays["utterances_id"].tolist() == read.utterances["id"].tolist()
        assert json.loads(str(arrays["recipe"])) == read.recipe


@pytest.mark.parametrize("rows", [5, 1024])
def test_export_parquet(cache, tmp_path, monkeypatch, rows):
    monkeypatch.setattr("data.cache.export.ROWS", rows)
    assert export.main([str(cache), "-o", str(tmp_path / "c.parquet")]) == 0
    table = pandas.read_parquet(tmp_path / "c.parquet")
    read = Cache(cache)
    assert table["id"].tolist() == read.utterances["id"].tolist()
    assert table["emotion"].tolist() == read.utterances["emotion"].tolist()
    for layer in read.layers:
        np.testing.assert_array_equal(np.stack(table[f"mean_{layer}"]), read.layer(layer))
    np.testing.assert_array_equal(np.stack(table["baseline_energy"]), read.baseline("energy"))
    printed = pyarrow.parquet.read_schema(tmp_path / "c.parquet").metadata
    assert json.loads(printed[b"wav2emo.recipe"]) == read.recipe


def test_export_a_hugging_face_data_set(cache, tmp_path):
    assert export.main([str(cache), "-o", str(tmp_path / "set")]) == 0
    (file,) = (tmp_path / "set" / "data").glob("train-*.parquet")
    assert len(pandas.read_parquet(file)) == 12
    card = (tmp_path / "set" / "README.md").read_text()
    assert card.startswith("---\nconfigs:")
    assert "path: data/train-*.parquet" in card


def test_export_refuses_what_it_cannot_write(cache, tmp_path):
    with pytest.raises(UsageError, match=r"\.npz or \.parquet"):
        export.main([str(cache), "-o", str(tmp_path / "c.mat")])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match="not empty"):
        export.main([str(cache), "-o", str(tmp_path / "full")])


def test_a_cache_of_many_shards_reads_as_one(folder_corpus, utterances, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, "SHARD_UTTERANCES", 1)
    monkeypatch.setattr("data.cache.reader.MANY_FILES", 3)
    listed = utterances(folder_corpus(12))
    monkeypatch.setattr("data.cache.shards.Shards.pack", lambda *args: 0)
    extract(listed, StandIn(), tmp_path / "c.h5")
    monkeypatch.undo()
    shards = Cache(parts_folder(tmp_path / "c.h5"))
    assert len(shards.files) == 12
    apart, logmel = shards.embeddings(), shards.baseline("logmel")
    assert pack.main([str(tmp_path / "c.h5")]) == 0
    np.testing.assert_array_equal(Cache(tmp_path / "c.h5").embeddings(), apart)
    np.testing.assert_array_equal(Cache(tmp_path / "c.h5").baseline("logmel"), logmel)


def test_packing_nothing_leaves_nothing(tmp_path):
    with pytest.raises(CacheError, match="nothing to pack"):
        pack.main([str(tmp_path / "c.h5")])
    assert not list(tmp_path.iterdir())


def test_help_of_every_command_imports_nothing_heavy():
    program = (
        "import importlib, sys; from data.__main__ import COMMANDS\n"
        "for module, _ in COMMANDS.values():\n"
        "    importlib.import_module(module).parser().format_help()\n"
        "heavy = {'numpy', 'pandas', 'soundfile', 'torch', 'tqdm', 'h5py'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
