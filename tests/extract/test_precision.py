"""The same numbers on every machine: the default, its messages, and how far engines agree.

A CPU without bfloat16 is imitated: ``ONEDNN_MAX_CPU_ISA`` holds for torch's products and for
OpenVINO, ``ATEN_CPU_CAPABILITY`` for torch's own loops.
"""

import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from data import Cache
from data.cache.recipe import TOLERANCE
from data.errors import RecipeMismatch, UsageError
from extract import pipeline
from extract.__main__ import main as extract
from extract.embedder import Embedder
from extract.encoders.checkpoint import Checkpoint
from extract.encoders.encoder import UNTRAINED, Encoder
from extract.engines import open_engine
from extract.engines.openvino import OpenVINOEngine
from extract.engines.torch import TorchEngine
from extract.hardware import multiplies_bfloat16
from extract.recipe import Request

TINY = "untrained:tiny"
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
NATIVE = multiplies_bfloat16("cpu")
QUICKER = "--precision bfloat16 is faster"

with_bfloat16 = pytest.mark.skipif(not NATIVE, reason="this CPU does not multiply bfloat16")
without_bfloat16 = pytest.mark.skipif(NATIVE, reason="this CPU multiplies bfloat16")


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512", reason="this CPU has no more than AVX2"
)
def test_the_same_holds_on_a_cpu_with_avx2_alone():
    """The exactness of both engines, and what is only there on a CPU without bfloat16."""
    here = Path(__file__)
    selection = "test_batched_equals_single and group or imitation or without_bfloat16"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", selection]
    done = subprocess.run(
        [*command, str(here.with_name("test_exactness.py")), str(here)],
        env=os.environ | AVX2,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed, " in done.stdout, "two engines, the imitation, and the two below"


def test_an_imitation_is_one():
    """Without it, the test above would pass for the wrong reason."""
    if "ATEN_CPU_CAPABILITY" in os.environ:
        assert torch.backends.cpu.get_cpu_capability() == "AVX2"
    if "ONEDNN_MAX_CPU_ISA" in os.environ:
        assert not NATIVE


def furthest(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """The largest relative error of any utterance in any layer and pooling."""
    return max(
        float((np.linalg.norm(one[name] - other[name], axis=-1)
               / np.linalg.norm(other[name], axis=-1)).max())
        for name in other
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_float32_unless_bfloat16_is_asked_for(engine):
    opened = open_engine(TINY, Request(engine=engine), "cpu")
    assert opened.recipe["precision"] == "float32"
    assert opened.suggests_bfloat16 == NATIVE
    named = open_engine(TINY, Request(engine=engine, precision="float32"), "cpu")
    assert named.recipe == opened.recipe
    assert not named.suggests_bfloat16


@pytest.fixture
def switches():
    """Torch's switches that let float32 be less, as the test finds them."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


def test_float32_does_not_depend_on_earlier_torch_settings(switches, waveform):
    waveforms = [waveform(1, 0.7), waveform(2, 0.4)]
    engine = open_engine(TINY, Request(engine="torch"), "cpu")
    expected = engine.embed(waveforms).layers
    torch.set_float32_matmul_precision("medium")  # bfloat16 where a CPU has it, TF32 on a GPU
    torch.backends.cudnn.allow_tf32 = True
    assert furthest(engine.embed(waveforms).layers, expected) < TOLERANCE["float32"]
    assert not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        (TINY, "float32"),  # a whole base: test_exactness
        pytest.param(TINY, "bfloat16", marks=with_bfloat16),
        pytest.param("untrained", "bfloat16", marks=with_bfloat16),
    ],
)
def test_engines_agree_within_their_precision(name, precision, waveform):
    waveforms = [waveform(1, 0.9), waveform(2, 0.4), waveform(3, 1.3)]
    request = Request(precision=precision)
    config = transformers.Wav2Vec2Config(**UNTRAINED[name] | {"num_hidden_layers": 2})
    torch.manual_seed(0)
    model = transformers.Wav2Vec2Model(config).eval()
    encoder = Encoder.of(model, Checkpoint(name), control=True, normalise=False)
    same = replace(encoder, model=deepcopy(model))
    engines = (
        TorchEngine(encoder, request),
        OpenVINOEngine(same.identity, request, lambda: same),
    )
    error = furthest(*(engine.embed(waveforms).layers for engine in engines))
    assert error < TOLERANCE[precision]
    if precision == "bfloat16":
        assert error > TOLERANCE["float32"], "if they agreed, nobody would need a warning"


@with_bfloat16
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bfloat16_in_a_batch_is_bfloat16_alone(engine, waveform):
    opened = open_engine(TINY, Request(engine=engine, precision="bfloat16"), "cpu")
    waveforms = [waveform(n, seconds) for n, seconds in enumerate((0.9, 0.4, 2.3, 0.1))]
    together = opened.embed(waveforms).layers
    for row, each in enumerate(waveforms):
        alone = {name: values[:, 0] for name, values in opened.embed([each]).layers.items()}
        batched = {name: values[:, row] for name, values in together.items()}
        assert furthest(batched, alone) < TOLERANCE["bfloat16"] / 2


def logged(capsys, *argv) -> str:
    """What a command says on standard error."""
    assert extract([str(each) for each in argv]) == 0
    return capsys.readouterr().err


def test_the_command_recommends_a_faster_precision_once(folder_corpus, tmp_path, capsys):
    corpus, cache = folder_corpus(6), tmp_path / "c.h5"
    command = (corpus, "--model", TINY, "--device", "cpu", "-o", cache)
    assert logged(capsys, *command).count(QUICKER) == NATIVE
    with Cache(cache) as made:
        assert made.recipe["precision"] == "float32"
    assert QUICKER not in logged(capsys, *command), "the cache decides"
    cache.unlink()
    assert QUICKER not in logged(capsys, *command, "--precision", "float32"), "it was asked for"
    cache.unlink()
    assert logged(capsys, *command, "-q") == ""


def test_a_cache_in_bfloat16_is_extended_in_bfloat16(folder_corpus, tmp_path, capsys):
    cache = tmp_path / "c.h5"
    command = ("--model", TINY, "--device", "cpu", "-o", cache)
    logged(capsys, folder_corpus(6), *command, "--precision", "bfloat16", "--engine", "torch")
    corpus = folder_corpus(9)
    messages = logged(capsys, corpus, *command)
    assert "untrained control (tiny), bfloat16 by torch" in messages
    assert "as in the cache" in messages
    assert QUICKER not in messages
    with Cache(cache) as extended:
        assert len(extended) == 9
        assert extended.recipe["precision"] == "bfloat16"
    with pytest.raises(RecipeMismatch, match=r"precision: bfloat16 \(cache\) ≠ float32 \(asked\)"):
        extract([str(each) for each in (corpus, *command, "--precision", "float32", "-q")])


@with_bfloat16
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bfloat16_is_embedded_again_by_its_own_engine(engine, caplog):
    request = Request(engine=engine, precision="bfloat16")
    recipe = open_engine(TINY, request, "cpu").recipe
    assert Embedder.from_recipe(recipe, "cpu").engine.recipe == recipe
    assert not caplog.records


@without_bfloat16
def test_a_bfloat16_cache_is_embedded_without_bfloat16_in_float32(
    folder_corpus, utterances, tmp_path, caplog
):
    listed = utterances(folder_corpus(6))
    request = Request(engine="torch", precision="bfloat16")
    pipeline.extract(listed, open_engine(TINY, request, "cpu"), tmp_path / "c.h5")
    assert "does not multiply bfloat16" in caplog.text
    caplog.clear()
    with Cache(tmp_path / "c.h5") as cache:
        embedder = Embedder.from_recipe(cache.recipe, "cpu")
        results = list(embedder(listed))
        found = {"mean": np.stack([result.layers["mean"] for result in results])}
        expected = {"mean": np.stack([cache[result.utterance.id] for result in results])}
    assert embedder.engine.recipe["precision"] == "float32"
    assert TOLERANCE["float32"] < furthest(found, expected) < TOLERANCE["bfloat16"]
    (record,) = caplog.records
    assert "bfloat16 by torch, and here it is float32 by openvino" in record.getMessage()
    assert f"error of {TOLERANCE['bfloat16']:g}" in record.getMessage()


@without_bfloat16
def test_openvino_without_bfloat16_does_not_call_float32_so():
    """It would compute float32 where a CPU does not multiply bfloat16, and say nothing."""
    with pytest.raises(UsageError, match="this CPU does not multiply bfloat16"):
        open_engine(TINY, Request(engine="openvino", precision="bfloat16"), "cpu")
