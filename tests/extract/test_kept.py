"""What is kept of an encoder between runs: its identity and its graphs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from data.errors import EncoderError
from extract.__main__ import main as extract
from extract.encoders.checkpoint import find
from extract.encoders.encoder import UNTRAINED, load, untrained_model
from extract.encoders.framing import step_of_frames, steps_in
from extract.encoders.identity import Remembered
from extract.engines import LateEngine, open_engine
from extract.engines.kept import read
from extract.recipe import Request

TINY = "untrained:tiny"
HEAVY = ("torch", "transformers", "openvino", "scipy", "sklearn", "pandas")


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Path:
    """An empty folder for what is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept" / "wav2emo"


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    folder = tmp_path / "checkpoint"
    untrained_model(TINY).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def graphs(kept: Path) -> dict[Path, int]:
    """Files of the kept graphs, and their inodes."""
    return {f: f.stat().st_ino for f in (kept / "graphs").rglob("*") if f.is_file()}


def imported(*command: str) -> set[str]:
    """The heavy modules that a command imports; it has to succeed."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = {['-m', *command[1:]]!r}\n"
        f"try: runpy.run_module({command[0]!r}, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_graphs_are_kept_and_made_again_if_any_file_is_damaged(kept, waveform):
    waveforms = [waveform(1, 0.4), waveform(2, 1.6)]
    first = open_engine(TINY, Request(), "cpu").embed(waveforms).layers["mean"]
    before = graphs(kept)
    assert {file.name for file in before} >= {"convolutions.bin", "transformer.xml", "first.npz"}

    def again() -> dict[Path, int]:
        found = open_engine(TINY, Request(), "cpu").embed(waveforms).layers["mean"]
        np.testing.assert_array_equal(first, found)
        return graphs(kept)

    assert again() == before
    (folder,) = (kept / "graphs").iterdir()
    core = openvino.Core()
    for number, file in enumerate(before):
        whole = file.read_bytes()
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        for damaged in (flipped, (whole[:middle], b"", None)[number % 3]):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            assert read(folder, core, "CPU") is None
        file.write_bytes(whole)
    assert read(folder, core, "CPU") is not None
    (folder / "transformer.bin").write_bytes(b"")
    made = again()
    assert made.keys() == before.keys()
    assert made != before, "all are made again"
    assert again() == made, "the new graphs are kept"


def test_only_so_many_graphs_are_kept(kept):
    others = [kept / "graphs" / name for name in "abc"]
    for age, folder in enumerate(others):
        folder.mkdir(parents=True)
        os.utime(folder, (1000 + age,) * 2)
    open_engine(TINY, Request(), "cpu")
    assert [folder.exists() for folder in others] == [False, True, True]
    assert len(list((kept / "graphs").iterdir())) == 3


@pytest.mark.parametrize("kind", ["a file", "read-only"])
def test_a_folder_that_keeps_nothing_stops_nothing(kept, kind, waveform):
    kept.parent.mkdir()
    if kind == "a file":
        kept.write_text("no folder")
    else:
        kept.mkdir(mode=0o500)
    open_engine(TINY, Request(), "cpu").embed([waveform(1, 0.4)])
    open_engine(TINY, Request(engine="torch"), "cpu").embed([waveform(1, 0.4)])


def test_a_remembered_encoder_has_the_recipe_of_a_loaded_one(kept, checkpoint):
    for name in (TINY, str(checkpoint)):
        for request in (Request(), Request(engine="torch", layers="1", sequence=5.0)):
            first = LateEngine(name, request, "cpu")
            assert Remembered(find(name)).read() == load(find(name)).identity
            assert LateEngine(name, request, "cpu").recipe == first.recipe
            assert open_engine(name, request, "cpu").recipe == first.recipe


def test_a_damaged_identity_is_not_used(kept, checkpoint):
    identity = load(find(str(checkpoint))).identity
    remembered = Remembered(find(str(checkpoint)))
    remembered.write(identity)
    (file,) = (kept / "encoders").iterdir()
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert remembered.read() in (None, identity)
        file.write_bytes(whole[:place])
        assert remembered.read() is None
    file.write_bytes(whole)
    assert remembered.read() == identity


def test_a_copy_of_a_checkpoint_has_its_own_name(kept, checkpoint, tmp_path):
    open_engine(str(checkpoint), Request(), "cpu")
    shutil.copytree(checkpoint, tmp_path / "copy")
    assert Remembered(find(str(tmp_path / "copy"))).read() is None
    assert LateEngine(str(tmp_path / "copy"), Request()).recipe["model"] == "copy"


def altered(folder: Path) -> None:
    """Write another encoder over a checkpoint."""
    torch.manual_seed(5)
    config = transformers.Wav2Vec2Config(**UNTRAINED[TINY])
    transformers.Wav2Vec2Model(config).save_pretrained(folder)


def test_another_configuration_of_the_same_weights_is_another_encoder(kept, checkpoint, waveform):
    name, waveforms = str(checkpoint), [waveform(1, 0.4)]
    before = open_engine(name, Request(), "cpu").embed(waveforms).layers["mean"]
    config = checkpoint / "config.json"
    config.write_text(config.read_text().replace('"hidden_act": "gelu"', '"hidden_act": "relu"'))
    after = open_engine(name, Request(), "cpu").embed(waveforms).layers["mean"]
    exact = open_engine(name, Request(engine="torch"), "cpu").embed(waveforms).layers["mean"]
    assert not np.allclose(before, after, rtol=1e-3)
    np.testing.assert_allclose(after, exact, rtol=1e-4, atol=1e-6)


def test_another_checkpoint_in_the_same_folder_is_noticed(kept, checkpoint, waveform):
    before = open_engine(str(checkpoint), Request(), "cpu")
    altered(checkpoint)
    after = open_engine(str(checkpoint), Request(), "cpu")
    assert before.recipe["weights"] != after.recipe["weights"]
    waveforms = [waveform(1, 0.4)]
    assert not np.allclose(*(e.embed(waveforms).layers["mean"] for e in (before, after)))


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_a_change_that_leaves_size_and_time_alone_is_noticed_when_it_embeds(
    kept, checkpoint, engine, waveform
):
    name, request = str(checkpoint), Request(engine=engine)
    open_engine(name, request, "cpu").embed([waveform(1, 0.4)])
    stats = {file: file.stat() for file in checkpoint.iterdir()}
    altered(checkpoint)
    for file, stat in stats.items():
        assert file.stat().st_size == stat.st_size
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Remembered(find(name)).read() is not None
    with pytest.raises(EncoderError, match=r"have changed, but not their sizes.*run the same"):
        open_engine(name, request, "cpu").embed([waveform(1, 0.4)])
    again = open_engine(name, request, "cpu")
    assert again.recipe["weights"] == load(find(name)).identity.weights
    again.embed([waveform(1, 0.4)])


def test_nothing_to_do_imports_nothing_that_computes(kept, folder_corpus, tmp_path):
    corpus, cache = folder_corpus(6), tmp_path / "c.h5"
    (corpus / "anger_text.wav").write_text("no audio")
    command = ["extract", str(corpus), "--model", TINY, "--device", "cpu", "-o", str(cache)]
    assert extract(command[1:]) == 3, "one is refused"
    (corpus / "anger_text.wav").unlink()
    assert imported(*command) == set()
    assert imported(*command, "--dry-run") == set()


def test_a_kept_encoder_embeds_without_torch(kept, folder_corpus, tmp_path):
    corpus = folder_corpus(6)
    options = ["--model", TINY, "--device", "cpu"]
    assert extract([str(corpus), *options, "-o", str(tmp_path / "a.h5")]) == 0
    found = imported("extract", str(corpus), *options, "-o", str(tmp_path / "b.h5"))
    assert found == {"openvino", "scipy"}, "scipy: features without a model"


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.floats(0.01, 1.0))
def test_every_frame_is_in_one_step(counts, steps_per_frame):
    steps = step_of_frames(counts, steps_per_frame)
    assert steps.shape[2] == max(counts)
    for row, count in zip(steps, counts, strict=True):
        assert (row.sum(0) == (np.arange(row.shape[1]) < count)).all()
        assert (
            row.any(1).sum() == row.any(1).nonzero()[0][-1] + 1 == steps_in(count, steps_per_frame)
        )
