"""Networks of every architecture and method: gradients, frozen layers, padding, merged adapters."""

import copy
from itertools import product

import numpy as np
import pytest
import torch
from small_encoders import ARCHITECTURES, TORCH_ONLY, lively

from data.errors import EncoderError, HeadError, UsageError
from extract.encoders.checkpoint import Checkpoint
from extract.encoders.encoder import Encoder
from extract.encoders.framing import frames
from extract.engines.torch import FeatureEngine, TorchEngine
from extract.recipe import Request
from finetune import network as networks
from finetune.network import Batch, Network, require_gradients, trained
from finetune.options import FinetuneOptions

OTHERS = ("sew", "unispeech", "conformer, ro", *TORCH_ONLY)  # refused, or like another one
TUNED = [name for name in ARCHITECTURES if not name.startswith(OTHERS)]
METHODS = ("lora", "top:1", "top:3", "encoder", "full")
PADDED = ("top:2", "encoder", "full")
LENGTHS = (16_000, 9_600, 4_321, 12_000)  # samples


def encoder_of(name: str) -> Encoder:
    torch.manual_seed(0)
    model = lively(ARCHITECTURES[name]())
    for module in model.modules():  # no dropout, so that two passes are the same
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for key, value in vars(model.config).items():
        if "dropout" in key and isinstance(value, float):
            setattr(model.config, key, 0.0)
    for module in model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return Encoder.of(model, Checkpoint("test"), control=True, normalise=False)


def network_of(name: str, method: str, **more: object) -> tuple[Encoder, Network]:
    encoder = encoder_of(name)
    options = FinetuneOptions(method=method, mask_time=0.0, **more)
    torch.manual_seed(3)
    return encoder, Network(encoder, options, outputs=3)


def waveforms(waveform, lengths=LENGTHS) -> list[np.ndarray]:
    return [waveform(seed, n / 16_000 + 0.01)[:n] for seed, n in enumerate(lengths)]


def read(encoder: Encoder, network: Network, samples: list[np.ndarray]) -> list[torch.Tensor]:
    """What the training reads of each utterance, from the frozen layers of a fresh copy."""
    if network.reads == "waveform":
        return [torch.from_numpy(one) for one in samples]
    fresh = copy.deepcopy(encoder)
    if network.reads == "features":
        engine = FeatureEngine(fresh)
    else:
        layer = str(network.reads)
        engine = TorchEngine(fresh, Request(layer, ("mean",), 50, layer, engine="torch"))
    found = engine.embed(samples).sequences
    return [torch.from_numpy(one[0].astype(np.float32)) for one in found]


def batch(values: list[torch.Tensor]) -> Batch:
    padded = torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
    return {"values": padded, "lengths": torch.tensor([len(one) for one in values])}


def gradients(network: Network, inputs: Batch, weight: float = 1.0) -> dict[str, torch.Tensor]:
    """Loss and gradients; `weight` is the share of these utterances in a batch."""
    labels = torch.arange(len(inputs["values"])) % 3
    network.zero_grad()
    loss = torch.nn.functional.cross_entropy(network(inputs), labels) * weight
    loss.backward()
    found = {name: value.grad.clone() for name, value in trained(network)}
    return found | {"loss": loss.detach()}


@pytest.mark.parametrize(("name", "method"), list(product(TUNED, METHODS)))
def test_gradients_reach_every_trained_parameter(name, method, waveform):
    encoder = encoder_of(name)
    pristine = copy.deepcopy(encoder)
    options = FinetuneOptions(method=method, mask_time=0.0, pooling="mix")
    network = Network(encoder, options, outputs=3).train()
    inputs = batch(read(pristine, network, waveforms(waveform)))
    network(inputs).square().sum().backward()
    assert trained(network)
    without = [key for key, value in trained(network) if value.grad is None]
    assert without == []
    frozen = [value for value in network.parameters() if not value.requires_grad]
    assert all(value.grad is None for value in frozen)


@pytest.mark.parametrize(("name", "method"), list(product(TUNED, METHODS)))
def test_the_frozen_part_and_the_trained_part_make_the_whole(name, method, waveform):
    """Oracle: transformers on each file alone."""
    encoder = encoder_of(name)
    pristine = copy.deepcopy(encoder)
    network = Network(encoder, FinetuneOptions(method=method, mask_time=0.0), outputs=3).eval()
    samples = waveforms(waveform)
    seen = []
    network.head = torch.nn.Module()
    network.head.forward = lambda states, valid: seen.append((states, valid)) or valid
    with torch.no_grad():
        network(batch(read(pristine, network, samples)))
        for row, one in enumerate(samples):
            whole = pristine.model(torch.from_numpy(one)[None], output_hidden_states=True)
            count = whole.last_hidden_state.shape[1]
            (states, valid) = seen[0]
            assert int(valid[row].sum()) == count
            got = states[-1][row, :count]
            error = torch.linalg.norm(got - whole.last_hidden_state[0])
            # float16 between both parts; the waveform path has none
            limit = 1e-5 if method == "full" else 2e-3
            assert error < limit * torch.linalg.norm(whole.last_hidden_state)


@pytest.mark.parametrize(("name", "method"), list(product(TUNED, ("top:2", "encoder", "full"))))
def test_a_padded_batch_trains_as_single_utterances_do(name, method, waveform):
    encoder = encoder_of(name)
    pristine = copy.deepcopy(encoder)
    torch.manual_seed(3)
    network = Network(encoder, FinetuneOptions(method=method, mask_time=0.0), outputs=3).train()
    values = read(pristine, network, waveforms(waveform))
    together = gradients(network, batch(values))
    share = 1 / len(values)
    single = []
    for row, value in enumerate(values):
        network.zero_grad()
        label = torch.tensor([row % 3])
        loss = torch.nn.functional.cross_entropy(network(batch([value])), label) * share
        loss.backward()
        found = {key: one.grad.clone() for key, one in trained(network)}
        single.append(found | {"loss": loss.detach()})
    largest = max(float(value.norm()) for key, value in together.items() if key != "loss")
    for key, value in together.items():
        total = sum(one[key] for one in single)
        scale = float(value.abs()) if key == "loss" else largest
        assert float((value - total).norm()) <= 1e-5 * scale, key


@pytest.mark.parametrize("name", TUNED)
def test_merged_adapters_give_what_the_adapters_give(name, waveform):
    encoder, network = network_of(name, "lora")
    with torch.no_grad():
        for key, value in trained(network):
            if "lora_B" in key:
                value.normal_(std=0.1)
    samples = torch.from_numpy(waveforms(waveform)[0])[None]
    network.eval()
    with torch.no_grad():
        expected = encoder.model(samples).last_hidden_state
        merged = network.adapters[0].merge_and_unload()
        got = merged.eval()(samples).last_hidden_state
    assert not any("lora" in key for key in merged.state_dict())
    assert float((got - expected).norm()) <= 1e-6 * float(expected.norm())


@pytest.mark.parametrize("name", ["sew", "sew-d", "whisper", "wav2vec2-bert"])
def test_encoders_that_cannot_be_fine_tuned_are_refused(name):
    with pytest.raises(EncoderError, match=rf"test is a {name}, which cannot be fine-tuned"):
        network_of(name, "lora")


def test_adapters_that_get_no_gradient_are_an_error(waveform, monkeypatch):
    """WavLM's attention does not call its projections."""

    monkeypatch.setattr(networks, "LORA_TARGETS", ("q_proj", "v_proj"))
    encoder = encoder_of("wavlm")
    pristine = copy.deepcopy(encoder)
    network = Network(encoder, FinetuneOptions(method="lora"), outputs=3).train()
    network(batch(read(pristine, network, waveforms(waveform)))).sum().backward()
    with pytest.raises(HeadError, match=r"get no gradient, such as .*lora"):
        require_gradients(network)


def test_masked_frames_are_replaced(waveform):
    encoder = encoder_of("wav2vec2, group norm")
    pristine = copy.deepcopy(encoder)
    network = Network(encoder, FinetuneOptions(method="encoder", mask_time=0.5), outputs=3).eval()
    values = read(pristine, network, waveforms(waveform))[:1]
    plain = batch(values)
    masked = torch.zeros(1, len(values[0]), dtype=torch.bool)
    with torch.no_grad():
        without = network(plain | {"masked": masked})
        torch.testing.assert_close(without, network(plain))
        masked[0, 5:20] = True
        once = network(plain | {"masked": masked})
        other = plain["values"].clone()
        other[0, 5:20] += 7.0  # hidden by the mask
        again = network({**plain, "values": other, "masked": masked})
    assert not torch.allclose(once, without)
    torch.testing.assert_close(once, again)


@pytest.mark.parametrize("pooling", ["mean", "statistics", "attentive", "mix"])
def test_heads_ignore_padding(pooling):
    from finetune.head import Head

    torch.manual_seed(0)
    head = Head(pooling, dim=16, states=2, outputs=3)
    states = [torch.randn(2, 9, 16), torch.randn(2, 9, 16)]
    valid = torch.arange(9) < torch.tensor([[9], [4]])
    got = head(states, valid)
    alone = head([one[1:, :4] for one in states], valid[1:, :4])
    torch.testing.assert_close(got[1:], alone)
    states[0][1, 4:], states[1][1, 4:] = float("nan"), 1e30
    if pooling != "mix":
        torch.testing.assert_close(head(states, valid)[1:], alone)
    if pooling == "mean":
        expected = head.linear(states[1][0].mean(0))
        torch.testing.assert_close(got[0], expected)


def test_a_method_of_more_layers_than_there_are_is_refused():
    with pytest.raises(UsageError, match=r"top:4: this encoder has 3 layers"):
        network_of("hubert", "top:4")
    assert frames(16_000, encoder_of("hubert").identity.sizes) == 49
