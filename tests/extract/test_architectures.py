"""An architecture is added by one module, from outside of the package too."""

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

MODULE = """
from extract.encoders.architecture import Architecture


class UniSpeech(Architecture):
    model_types = ("unispeech",)


ARCHITECTURE = UniSpeech()
"""
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture
def checkpoint(tmp_path):
    model = transformers.UniSpeechModel(transformers.UniSpeechConfig(**TINY)).eval()
    model.save_pretrained(tmp_path / "unispeech")
    return model, str(tmp_path / "unispeech")


def test_every_module_of_the_folder_is_known():
    expected = {"data2vec-audio", "hubert", "wav2vec2", "wavlm"}
    assert set(architectures.known()) == expected


def test_an_unknown_architecture_is_refused(checkpoint):
    with pytest.raises(EncoderError, match=r"unispeech; expected one of .*wav2vec2"):
        load(find(checkpoint[1]))


def test_one_module_adds_an_architecture(checkpoint, tmp_path, monkeypatch, waveform):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "unispeech.py").write_text(MODULE)
    monkeypatch.setattr(
        architectures, "__path__", [*architectures.__path__, str(tmp_path / "more")]
    )
    model, folder = checkpoint
    waveforms = [waveform(1, 0.5), waveform(2, 1.3)]
    engine = TorchEngine(load(find(folder)), Request(engine="torch"))
    pooled = engine.embed(waveforms).layers["mean"]  # (layer, utterance, dim)
    for row, each in enumerate(waveforms):
        with torch.inference_mode():
            states = model(torch.from_numpy(each)[None], output_hidden_states=True).hidden_states
        expected = torch.cat(states).mean(dim=1).numpy()
        error = np.linalg.norm(pooled[:, row] - expected, axis=-1)
        assert (error < 1e-5 * np.linalg.norm(expected, axis=-1)).all()
