"""One module adds an architecture, also from outside of the package."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from data.errors import EncoderError
from extract.__main__ import main
from extract.encoders import architectures
from extract.encoders.checkpoint import find
from extract.encoders.encoder import load
from extract.engines.torch import TorchEngine
from extract.recipe import Request


def test_every_module_of_the_folder_is_known():
    expected = {
        "data2vec-audio", "hubert", "sew", "sew-d", "unispeech", "unispeech-sat", "wav2vec2",
        "wav2vec2-bert", "wav2vec2-conformer", "wavlm", "whisper",
    }  # fmt: skip
    assert set(architectures.known()) == expected


def test_the_table_of_encoders_has_a_row_for_each(outsider, monkeypatch, capsys):
    """Also for one that a module adds; docs/extraction.md has the same rows."""
    docs = (Path(__file__).parents[2] / "docs" / "extraction.md").read_text()
    for one in architectures.known().values():
        cells = [", ".join(one.model_types), one.front, one.normalisation, one.exactness]
        assert f"| {' | '.join(cells)} |" in docs
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(outsider[0])])
    with pytest.raises(SystemExit, match="0"):
        main(["--list-encoders"])
    printed = capsys.readouterr().out
    for model_type in architectures.known():
        assert model_type in printed
    (whisper,) = [row for row in printed.splitlines() if row.startswith("whisper")]
    for cell in ("log-mel", "windows of 30 s", "openai/whisper-base", " torch "):
        assert cell in whisper


@pytest.mark.parametrize("model_type", ["bert", "vit", "encodec", "outsider", None])
def test_a_model_that_is_no_speech_encoder_is_refused_in_a_line(model_type, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(EncoderError, match=r"--list-encoders' shows what is read$") as error:
        load(find(str(tmp_path)))
    assert f"{tmp_path.name} is a {model_type or 'model of no type'}, " in str(error.value)
    assert "\n" not in str(error.value)


def test_one_module_adds_an_architecture(outsider, monkeypatch, waveform):
    module, folder = outsider
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(module)])
    waveforms = [waveform(1, 0.5), waveform(2, 1.3)]
    engine = TorchEngine(load(find(str(folder))), Request(engine="torch"))
    model = transformers.AutoModel.from_pretrained(folder).eval()
    pooled = engine.embed(waveforms).layers["mean"]  # (layer, utterance, dim)
    for row, each in enumerate(waveforms):
        with torch.inference_mode():
            states = model(torch.from_numpy(each)[None], output_hidden_states=True).hidden_states
        expected = torch.cat(states).mean(dim=1).numpy()
        error = np.linalg.norm(pooled[:, row] - expected, axis=-1)
        assert (error < 1e-5 * np.linalg.norm(expected, axis=-1)).all()
