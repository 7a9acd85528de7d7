"""A batch gives what transformers gives for each file alone: the promise of the whole project.

One contract for all engines.
"""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
import transformers as T
from hypothesis import given, settings
from hypothesis import strategies as st
from small_encoders import ARCHITECTURES, TORCH_ONLY, WIDE, alone, lively

from extract.encoders.checkpoint import Checkpoint
from extract.encoders.convolutions import Convolutions
from extract.encoders.encoder import UNTRAINED, Encoder, load, untrained_model
from extract.engines import Engine
from extract.engines.openvino import OpenVINOEngine
from extract.engines.torch import TorchEngine
from extract.recipe import Request

ENGINES = (TorchEngine, OpenVINOEngine)
LENGTHS = (16000, 24001, 9600, 32000, 4321, 39999)  # samples, beside the fewest


def encoder_of(model: torch.nn.Module) -> Encoder:
    return Encoder.of(model, Checkpoint("test"), control=True, normalise=False)


def engine_for(model: torch.nn.Module, kind: type = TorchEngine, **request: object) -> Engine:
    encoder = encoder_of(model)
    asked = Request(precision="float32", **request)
    if kind is OpenVINOEngine:
        return kind(encoder.identity, asked, lambda: encoder)
    return kind(encoder, asked)


def close(got: np.ndarray, expected: np.ndarray, scale: np.ndarray) -> bool:
    """Whether the relative error is below 1e-5 in every layer; `scale` is that of the states."""
    error = np.linalg.norm(got - expected, axis=-1)
    return bool((error <= 1e-5 * np.linalg.norm(scale, axis=-1)).all())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name, kind in product(ARCHITECTURES, ENGINES)
        if kind is TorchEngine or not name.startswith(TORCH_ONLY)
    ],
)
def test_batched_equals_single(name, kind, waveform):
    model = lively(ARCHITECTURES[name]())
    lengths = (*LENGTHS, encoder_of(model).identity.receptive_field)
    waveforms = [waveform(n, length / 16_000) for n, length in enumerate(lengths)]
    references = [alone(model, w) for w in waveforms]
    pooled = engine_for(model, kind, pooling=("mean", "std", "max")).embed(waveforms).layers
    for row, states in enumerate(references):
        scale = np.abs(states).mean(axis=1)
        assert close(pooled["mean"][:, row], states.mean(axis=1), scale)
        assert close(pooled["std"][:, row], states.std(axis=1), scale)
        assert close(pooled["max"][:, row], states.max(axis=1), scale)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("name", ["untrained", "untrained:large"])
def test_batched_equals_single_at_full_size(name, kind, waveform):
    """The architectures at their width; more layers would only take longer."""
    config = T.Wav2Vec2Config(**UNTRAINED[name] | {"num_hidden_layers": 3})
    torch.manual_seed(0)
    model = T.Wav2Vec2Model(config).eval()
    waveforms = [waveform(1, 0.5), waveform(2, 1.1)]
    references = [alone(model, w) for w in waveforms]
    pooled = engine_for(model, kind).embed(waveforms).layers
    for row, states in enumerate(references):
        assert close(pooled["mean"][:, row], states.mean(axis=1), states.mean(axis=1))
        assert close(pooled["std"][:, row], states.std(axis=1), states.std(axis=1))


@pytest.mark.parametrize("name", WIDE)
def test_other_architectures_at_full_width(name):
    """In steady noise, whose statistics are hard to round."""
    torch.manual_seed(0)
    model = WIDE[name]().eval()
    random = np.random.default_rng(0)
    waveforms = [0.1 * random.standard_normal(n).astype(np.float32) for n in (8001, 17_699)]
    references = [alone(model, w) for w in waveforms]
    pooled = engine_for(model).embed(waveforms).layers
    for row, states in enumerate(references):
        assert close(pooled["mean"][:, row], states.mean(axis=1), states.mean(axis=1))
        assert close(pooled["std"][:, row], states.std(axis=1), states.std(axis=1))


@cache
def tiny() -> Engine:
    return engine_for(untrained_model("untrained:tiny"))


@settings(max_examples=20)
@given(st.lists(st.integers(400, 20_000), min_size=1, max_size=6), st.randoms())
def test_embeddings_do_not_depend_on_the_batch(lengths, random):
    engine = tiny()
    rng = np.random.default_rng(random.randrange(2**32))
    waveforms = [rng.standard_normal(length).astype(np.float32) for length in lengths]
    together = engine.embed(waveforms).layers["mean"]
    for row, each in enumerate(waveforms):
        single = engine.embed([each]).layers["mean"][:, 0]
        assert close(together[:, row], single, single)


def test_plain_padding_is_wrong(waveform):
    """The oracle notices what every peer does: a mask alone does not undo padding."""
    model = untrained_model("untrained:tiny")
    short, long = waveform(1, 0.5), waveform(2, 1.5)
    batch = torch.zeros(2, len(long))
    batch[0, : len(short)], batch[1] = torch.from_numpy(short), torch.from_numpy(long)
    mask = torch.arange(len(long)) < torch.tensor([[len(short)], [len(long)]])
    with torch.inference_mode():
        states = model(batch, attention_mask=mask.long(), output_hidden_states=True).hidden_states
    expected = alone(model, short)
    got = torch.stack(states)[:, 0, : expected.shape[1]].numpy()
    assert not close(got.mean(axis=1), expected.mean(axis=1), expected.mean(axis=1))


def test_last_layer_is_before_the_final_norm(waveform):
    model = lively(ARCHITECTURES["wav2vec2, layer norm"]())
    with torch.inference_mode():
        normed = model(torch.from_numpy(waveform(3, 1.0))[None]).last_hidden_state[0]
        norm = model.encoder.layer_norm
        mean = engine_for(model, pooling=("mean",), sequence=50.0).embed([waveform(3, 1.0)])
        frames = torch.from_numpy(mean.sequences[0][-1].astype(np.float32))
        assert torch.allclose(norm(frames), normed, atol=2e-2)  # sequences are float16
        assert not torch.allclose(frames, normed, atol=0.1)


def test_fewer_layers_are_the_same_layers(waveform):
    waveforms = [waveform(1, 0.7), waveform(2, 0.4)]
    every = engine_for(untrained_model("untrained:tiny")).embed(waveforms).layers["mean"]
    lower = engine_for(untrained_model("untrained:tiny"), layers="0-1")
    assert lower.recipe["layers"] == [0, 1]
    assert len(lower.encoder.transformer.layers) == 1, "layers above the highest are not computed"
    np.testing.assert_array_equal(lower.embed(waveforms).layers["mean"], every[[0, 1]])


@pytest.mark.parametrize(
    ("name", "rate", "kind"),
    [
        *product(["hubert"], [50.0, 5.0, 2.5, 7.0], [TorchEngine]),
        *product(["hubert", "sew"], [5.0], [OpenVINOEngine]),
        *product(["sew", "whisper", "wav2vec2-bert"], [7.0], [TorchEngine]),
    ],
)
def test_sequences_average_frames(name, rate, kind, waveform):
    model = lively(ARCHITECTURES[name]())
    identity = encoder_of(model).identity
    shortest = identity.receptive_field / 16_000
    waveforms = [waveform(1, 1.3), waveform(2, shortest), waveform(3, 0.9)]
    references = [alone(model, w) for w in waveforms]
    engine = engine_for(model, kind, sequence=rate, sequence_layers="1-2")
    for steps, states in zip(engine.embed(waveforms).sequences, references, strict=True):
        per_frame = rate / identity.frame_rate
        step = np.array([int(frame * per_frame) for frame in range(states.shape[1])])
        expected = [states[1:3, step == s].mean(axis=1) for s in range(step[-1] + 1)]
        assert steps.dtype == np.float16
        np.testing.assert_allclose(steps, np.stack(expected, axis=1), rtol=2e-3, atol=2e-3)


def test_the_first_norm_is_exact_for_a_high_pass_kernel_under_a_loud_hum(waveform):
    """What such a kernel leaves of the waveform is a millionth of it."""
    model = untrained_model("untrained:tiny").double()
    first = model.feature_extractor.conv_layers[0]
    with torch.no_grad():
        first.conv.weight[:] = torch.tensor([1.0, -4, 6, -4, 1, 0, 0, 0, 0, 0])
    hum = 50 * np.sin(2 * np.pi * 50 * np.arange(16_000) / 16_000)
    samples = torch.from_numpy((hum + 0.01 * waveform(5, 1.0)).astype(np.float32))
    with torch.inference_mode():
        convolved = first.conv(samples.double()[None, None])[0]
    expected = first.conv.weight[:, 0].T / (convolved.var(dim=1, correction=0) + 1e-5).sqrt()
    found = Convolutions(model.feature_extractor).first_layer(samples[None], [16_000])
    torch.testing.assert_close(found[0, :-1], expected.float(), rtol=1e-6, atol=0)


def test_bfloat16_is_close(waveform):
    waveforms = [waveform(1, 0.9), waveform(2, 0.4)]
    exact, quick = (
        TorchEngine(load(Checkpoint("untrained:tiny")), Request(precision=p))
        .embed(waveforms)
        .layers["mean"]
        for p in ("float32", "bfloat16")
    )
    cosine = (
        (exact * quick).sum(-1) / np.linalg.norm(exact, axis=-1) / np.linalg.norm(quick, axis=-1)
    )
    assert 0.999 < cosine.min() < 1 - 1e-9
