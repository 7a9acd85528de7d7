"""Encoders, commands and heads on an NVIDIA GPU equal those on the CPU."""

import copy
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from small_encoders import ARCHITECTURES, WIDE, alone, lively

from classify.commands.evaluate import main as evaluate
from classify.commands.predict import main as predict
from classify.commands.train import main as train
from data import Cache
from extract.__main__ import main as extract
from extract.encoders.checkpoint import Checkpoint
from extract.encoders.encoder import Encoder, load, untrained_model
from extract.engines.torch import Together, TorchEngine
from extract.recipe import Request

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here"),
]

SECONDS = (0.9, 0.4, 2.3, 0.025, 1.7, 3.1)


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """The largest over layers and utterances of (layer, utterance, dim)."""
    norms = np.linalg.norm(expected, axis=-1)
    return float((np.linalg.norm(got - expected, axis=-1) / norms).max())


def engine(name: str, device: str, precision: str = "float32") -> TorchEngine:
    return TorchEngine(load(Checkpoint(name)), Request(precision=precision), device)


def engine_of(model: torch.nn.Module, device: str, **request: object) -> TorchEngine:
    """An engine of a copy of the model, since an engine moves what it is made of."""
    encoder = Encoder.of(copy.deepcopy(model), Checkpoint("test"), control=True, normalise=False)
    return TorchEngine(encoder, Request(**{"precision": "float32"} | request), device)


@pytest.fixture(scope="module")
def waveforms(waveform) -> list[np.ndarray]:
    return [waveform(number, seconds) for number, seconds in enumerate(SECONDS)]


@pytest.fixture(scope="module")
def plain(waveforms) -> np.ndarray:
    """(layer, utterance, dim): transformers on the CPU, one file at a time, mean over frames."""
    model = untrained_model("untrained")
    with torch.inference_mode():
        states = [
            model(torch.from_numpy(each)[None], output_hidden_states=True).hidden_states
            for each in waveforms
        ]
    return np.stack([[s[0].mean(0).numpy() for s in each] for each in states], axis=1)


def test_a_float32_batch_equals_transformers_on_the_cpu(waveforms, plain):
    assert relative_error(engine("untrained", "cuda").embed(waveforms).layers["mean"], plain) < 1e-5


def test_a_float32_batch_equals_single_files_on_the_gpu(waveforms):
    cuda = engine("untrained", "cuda")
    together = cuda.embed(waveforms).layers
    for row, each in enumerate(waveforms):
        alone = cuda.embed([each]).layers
        for name in ("mean", "std"):
            if name == "std" and len(each) < 720:  # one frame has no deviation
                continue
            assert relative_error(together[name][:, [row]], alone[name]) < 1e-5


def test_layer_norm_encoders_too(waveforms):
    cpu, cuda = (
        engine("untrained:large", device).embed(waveforms[:2]).layers["mean"]
        for device in ("cpu", "cuda")
    )
    assert relative_error(cuda, cpu) < 1e-5


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_equals_transformers_on_the_cpu(name, waveforms):
    """Errors are relative to the states, whose means over frames can be near zero."""
    model = lively(ARCHITECTURES[name]())
    cuda = engine_of(model, "cuda", pooling=("mean", "std", "max"), sequence=7.0)
    heard = [each for each in waveforms if len(each) >= cuda.receptive_field]
    states = [alone(model, each) for each in heard]
    scale = np.stack([np.linalg.norm(np.abs(each).mean(axis=1), axis=-1) for each in states], 1)
    got = cuda.embed(heard)
    for pooling in ("mean", "std", "max"):
        expected = np.stack([getattr(each, pooling)(axis=1) for each in states], axis=1)
        error = np.linalg.norm(got.layers[pooling] - expected, axis=-1)
        assert (error <= 1e-5 * scale).all()
    on_cpu = engine_of(model, "cpu", pooling=("mean",), sequence=7.0).embed(heard)
    for steps, expected in zip(got.sequences, on_cpu.sequences, strict=True):
        np.testing.assert_allclose(steps, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("name", WIDE)
def test_architectures_at_full_width(name, precision, tolerance):
    """In steady noise, whose statistics are hard to round."""
    torch.manual_seed(0)
    model = WIDE[name]().eval()
    random = np.random.default_rng(0)
    waveforms = [0.1 * random.standard_normal(n).astype(np.float32) for n in (8001, 17_699)]
    states = [alone(model, each) for each in waveforms]
    got = engine_of(model, "cuda", precision=precision).embed(waveforms).layers
    expected = np.stack([each.mean(axis=1) for each in states], axis=1)
    assert relative_error(got["mean"], expected) < tolerance


@pytest.mark.parametrize("name", ["wav2vec2, group norm", "hubert, layer norm", "wavlm",
                                  "conformer, relative", "data2vec"])  # fmt: skip
@pytest.mark.parametrize("shared", [None, -1, 0, 2])
def test_encoders_together_equal_each_alone(name, shared, waveforms):
    model = lively(ARCHITECTURES[name]())
    other = copy.deepcopy(model)
    parts = {None: other, -1: other.feature_projection}
    changed = parts.get(shared) or other.encoder.layers[shared]
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    request = {"pooling": ("mean", "std"), "sequence": 7.0}
    both = [engine_of(one, "cuda", **request) for one in (model, other)]
    together = Together(both)
    assert together.shared == shared
    got = together.embed(waveforms)
    layers = {pooling: together.parts(values) for pooling, values in got.layers.items()}
    sequences = [together.parts(one) for one in got.sequences]
    for number, one in enumerate((model, other)):
        expected = engine_of(one, "cuda", **request).embed(waveforms)
        assert relative_error(layers["mean"][number], expected.layers["mean"]) < 1e-5
        np.testing.assert_allclose(
            layers["std"][number], expected.layers["std"], rtol=1e-4, atol=1e-5
        )
        for got_steps, steps in zip(sequences, expected.sequences, strict=True):
            np.testing.assert_allclose(got_steps[number], steps, rtol=2e-3, atol=2e-3)
    assert relative_error(layers["mean"][0], layers["mean"][1]) > 1e-3


def test_bfloat16_is_within_its_rounding(waveforms, plain):
    got = engine("untrained", "cuda", "bfloat16").embed(waveforms).layers["mean"]
    assert 1e-6 < relative_error(got, plain) < 2e-2


def test_threads_do_not_disturb_one_another(waveforms):
    cuda = engine("untrained", "cuda")
    expected = [cuda.embed([each]).layers["mean"] for each in waveforms]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            for got, want in zip(
                pool.map(lambda each: cuda.embed([each]).layers["mean"], waveforms),
                expected,
                strict=True,
            ):
                np.testing.assert_array_equal(got, want)


def test_a_batch_that_does_not_fit_is_a_memory_error_and_the_next_one_works(waveform):
    cuda = engine("untrained", "cuda")
    fraction = (torch.cuda.memory_allocated() + 200e6) / torch.cuda.mem_get_info()[1]
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(fraction)
    try:
        with pytest.raises(MemoryError):
            cuda.embed([waveform(1, 30.0)] * 8)
        assert np.isfinite(cuda.embed([waveform(1, 0.5)]).layers["mean"]).all()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_commands_from_audio_to_answers(folder_corpus, tmp_path: Path, capsys):
    corpus = folder_corpus(48, seconds=(0.5, 0.8, 1.1))

    def command(main, *arguments: object) -> str:
        capsys.readouterr()
        assert main([*map(str, arguments)]) == 0
        return capsys.readouterr().out

    for device in ("cuda", "cpu"):
        command(extract, corpus, "--model", "untrained:tiny", "--device", device, "--engine",
                "torch", "--precision", "float32", "-o", tmp_path / f"{device}.h5")  # fmt: skip
    with Cache(tmp_path / "cuda.h5") as cuda, Cache(tmp_path / "cpu.h5") as cpu:
        assert list(cuda.utterances["id"]) == list(cpu.utterances["id"])
        assert relative_error(cuda.embeddings("mean"), cpu.embeddings("mean")) < 1e-5
    cache = ["--cache", tmp_path / "cuda.h5"]
    for head in ("mlp", "attention"):
        scores = {
            device: json.loads(command(evaluate, *cache, "--head", head, "--device", device,
                                       "--out", tmp_path / f"{head}-{device}", "--json"))["uar"]
            for device in ("cuda", "cpu")
        }  # fmt: skip
        assert abs(scores["cuda"] - scores["cpu"]) < 0.1
    model = tmp_path / "model"
    command(train, *cache, "-o", model, "--head", "logreg")
    answers = {
        device: [
            json.loads(line)["probabilities"]
            for line in command(predict, model, corpus, "--device", device, "--jsonl").splitlines()
        ]
        for device in ("cuda", "cpu")
    }
    assert len(answers["cuda"]) == 48
    for cuda_row, cpu_row in zip(answers["cuda"], answers["cpu"], strict=True):
        for name, value in cpu_row.items():
            assert cuda_row[name] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("method", ["full", "encoder", "top:1", "lora"])
def test_a_training_step_equals_that_of_the_cpu(waveforms, method):
    from extract.engines.torch import disable_tf32
    from finetune.network import Inputs, Network, trained
    from finetune.options import FinetuneOptions

    disable_tf32()
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        encoder = load(Checkpoint("untrained:tiny"))
        network = Network(encoder, FinetuneOptions(method=method, mask_time=0.0), outputs=2)
        network = network.to(device).eval()  # without dropout
        if network.reads == "waveform":
            values = [torch.from_numpy(one) for one in waveforms]
        else:
            width = 16 if network.reads == "features" else 32
            torch.manual_seed(1)
            values = [torch.randn(5 + len(one) // 320, width) for one in waveforms]
        padded = torch.nn.utils.rnn.pad_sequence(values, batch_first=True).to(device)
        lengths = torch.tensor([len(one) for one in values], device=device)
        network(Inputs(padded, lengths)).square().sum().backward()
        found.append(torch.cat([value.grad.cpu().ravel() for _, value in trained(network)]))
    assert float((found[0] - found[1]).norm()) < 1e-4 * float(found[0].norm())


def test_a_fine_tuning_from_audio_to_scores(folder_corpus, tmp_path: Path):
    root = folder_corpus(24, (0.6, 0.9))
    command = [sys.executable, "-m", "extract", "finetune", str(root), "-o", str(tmp_path / "out"),
               "--model", "untrained:tiny", "--epochs", "2", "--folds", "2", "--pattern",
               "{emotion}/{speaker}_{n}"]  # fmt: skip
    done = subprocess.run([*command, "--precision", "bfloat16"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "UAR" in done.stdout
