"""One module adds an architecture, also from outside of the package."""

import numpy as np
import pytest
import torch
import transformers

from data.errors import EncoderError
from extract.encoders import architectures
from extract.encoders.checkpoint import find
from extract.encoders.encoder import load
from extract.engines.torch import TorchEngine
from extract.recipe import Request


def test_every_module_of_the_folder_is_known():
    expected = {"data2vec-audio", "hubert", "wav2vec2", "wavlm"}
    assert set(architectures.known()) == expected


def test_an_unknown_architecture_is_refused(unispeech):
    with pytest.raises(EncoderError, match=r"unispeech; expected one of .*wav2vec2"):
        load(find(str(unispeech[1])))


def test_one_module_adds_an_architecture(unispeech, monkeypatch, waveform):
    module, folder = unispeech
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(module)])
    model = transformers.UniSpeechModel.from_pretrained(folder).eval()
    waveforms = [waveform(1, 0.5), waveform(2, 1.3)]
    engine = TorchEngine(load(find(str(folder))), Request(engine="torch"))
    pooled = engine.embed(waveforms).layers["mean"]  # (layer, utterance, dim)
    for row, each in enumerate(waveforms):
        with torch.inference_mode():
            states = model(torch.from_numpy(each)[None], output_hidden_states=True).hidden_states
        expected = torch.cat(states).mean(dim=1).numpy()
        error = np.linalg.norm(pooled[:, row] - expected, axis=-1)
        assert (error < 1e-5 * np.linalg.norm(expected, axis=-1)).all()
