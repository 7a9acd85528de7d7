"""Loading of valid, damaged, unsupported and missing checkpoints."""

import json
import subprocess
import sys

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from data.errors import EncoderError
from extract.encoders import encoder
from extract.encoders.checkpoint import find
from extract.encoders.encoder import Encoder, untrained_model


def load(name: str) -> Encoder:
    return encoder.load(find(name))


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    untrained_model("untrained:tiny").save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def test_untrained_is_the_same_model_every_time():
    one, other = load("untrained:tiny"), load("untrained:tiny")
    assert one.identity.weights == other.identity.weights
    assert one.identity.control
    plain = untrained_model("untrained:tiny").state_dict()
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, plain[name])


def test_making_an_untrained_model_leaves_the_random_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    untrained_model("untrained:tiny")
    assert torch.equal(torch.rand(1), expected)


def test_a_saved_checkpoint_is_the_model_that_was_saved(checkpoint):
    saved = load(str(checkpoint))
    assert saved.identity.weights == load("untrained:tiny").identity.weights
    identity = saved.identity
    assert (identity.name, identity.revision, identity.control) == ("checkpoint", None, False)
    assert (identity.receptive_field, identity.frame_rate) == (400, 50)


def test_other_weights_are_another_encoder(checkpoint):
    before = load(str(checkpoint)).identity.weights
    tensors = load_file(checkpoint / "model.safetensors")
    tensors["encoder.layer_norm.bias"] += 1e-6
    save_file(tensors, checkpoint / "model.safetensors", {"format": "pt"})
    assert load(str(checkpoint)).identity.weights != before


def test_missing_weights_are_refused(checkpoint):
    tensors = load_file(checkpoint / "model.safetensors")
    del tensors["encoder.layers.1.attention.k_proj.weight"]
    save_file(tensors, checkpoint / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"1 weights .* missing, for example encoder\.layers\.1"):
        load(str(checkpoint))


def test_a_pickle_that_runs_code_is_refused(checkpoint):
    class Trap:
        def __reduce__(self):
            return (print, ("ran code",))

    torch.save({"encoder.layer_norm.bias": Trap()}, checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load(str(checkpoint))


@pytest.mark.parametrize("normalises", [True, False])
def test_the_preprocessor_decides_the_normalisation(checkpoint, normalises):
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalises)
    extractor.save_pretrained(checkpoint)
    assert load(str(checkpoint)).identity.normalise is normalises


def test_another_sampling_rate_is_refused(checkpoint):
    path = checkpoint / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sampling_rate": 8_000}))
    with pytest.raises(EncoderError, match="8000 Hz"):
        load(str(checkpoint))


@pytest.mark.parametrize("name", ["no/such/folder", "./nowhere", "untrained:huge"])
def test_no_such_model(name):
    with pytest.raises(EncoderError, match="no model"):
        load(name)


def test_without_network_the_error_names_the_alternatives(tmp_path, folder_corpus):
    code = (
        "import sys; from data.console import run; from extract.__main__ import main\n"
        "status = run(lambda: main(sys.argv[1:]))\n"
        "sys.exit('torch was loaded before that' if 'torch' in sys.modules else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder_corpus(2), "-o", tmp_path / "e.h5"],
        capture_output=True, text=True, timeout=120,
        env={"PATH": "", "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "torch was loaded" not in done.stderr
    for way in ("--model PATH", "HF_HOME", "--model untrained"):
        assert way in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "e.h5.parts").exists()
