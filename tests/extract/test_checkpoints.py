"""Checkpoints as the hub has them: with a head, of either weight norm, in any format of weights."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from small_encoders import ARCHITECTURES, TORCH_ONLY, lively

from data import Cache
from data.errors import EncoderError, UsageError
from extract import Request, extract
from extract.encoders.checkpoint import Checkpoint, find
from extract.encoders.checkpoint import weights as weights_of
from extract.encoders.encoder import Encoder, load
from extract.engines import LateEngine

HEADS = {
    "wav2vec2, group norm": ("Wav2Vec2", "ForCTC", "ForPreTraining", "ForXVector"),
    "hubert": ("Hubert", "ForSequenceClassification", "ForCTC"),
    "wavlm": ("WavLM", "ForSequenceClassification", "ForAudioFrameClassification"),
    "data2vec": ("Data2VecAudio", "ForSequenceClassification", "ForCTC"),
    "unispeech": ("UniSpeech", "ForPreTraining", "ForCTC"),
    "unispeech-sat, layer norm": ("UniSpeechSat", "ForPreTraining", "ForSequenceClassification"),
    "sew": ("SEW", "ForSequenceClassification", "ForCTC"),
    "sew-d": ("SEWD", "ForSequenceClassification", "ForCTC"),
    "conformer, relative": ("Wav2Vec2Conformer", "ForPreTraining", "ForCTC"),
    "wav2vec2-bert": ("Wav2Vec2Bert", "ForSequenceClassification", "ForCTC"),
    "whisper": ("Whisper", "ForAudioClassification", "ForConditionalGeneration", "Model"),
}
NORMED = ("wav2vec2, group norm", "wavlm", "unispeech", "sew", "sew-d", "conformer, relative")


def weights(model: torch.nn.Module) -> str:
    return Encoder.of(model, Checkpoint("test"), control=False, normalise=False).identity.weights


@pytest.mark.parametrize(
    ("name", "head"), [(name, head) for name, (_, *heads) in HEADS.items() for head in heads]
)
def test_a_model_with_a_head_gives_its_encoder(name, head, tmp_path):
    encoder = lively(ARCHITECTURES[name]())
    encoder.config.vocab_size = 8
    model = getattr(transformers, HEADS[name][0] + head)(encoder.config)
    own = next(part for part in model.modules() if type(part) is type(encoder))
    own.load_state_dict(encoder.state_dict())
    model.save_pretrained(tmp_path)
    assert load(find(str(tmp_path))).identity.weights == weights(own)


@pytest.mark.parametrize("name", NORMED)
def test_the_old_spelling_of_weight_norm(name, tmp_path):
    encoder = lively(ARCHITECTURES[name]())
    encoder.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    found = [key for key in tensors if "parametrizations.weight.original" in key]
    assert len(found) == 2
    for key in found:
        stem, _, number = key.rpartition("parametrizations.weight.original")
        tensors[stem + ("weight_g", "weight_v")[int(number)]] = tensors.pop(key)
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    assert load(find(str(tmp_path))).identity.weights == weights(encoder)


@pytest.mark.parametrize("name", ["hubert", "whisper"])
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("pickled", [False, True])
def test_any_format_of_weights(name, sharded, pickled, tmp_path):
    encoder = lively(ARCHITECTURES[name]())
    encoder.save_pretrained(tmp_path, max_shard_size="20KB" if sharded else "1GB")
    files = sorted(tmp_path.glob("*.safetensors"))
    assert (len(files) > 1) is sharded
    if pickled:
        renamed = {}
        for file in files:
            name = file.name.replace("model", "pytorch_model").replace(".safetensors", ".bin")
            torch.save(load_file(file), tmp_path / name)
            renamed[file.name] = name
            file.unlink()
        if sharded:
            index = tmp_path / "model.safetensors.index.json"
            listed = json.loads(index.read_text())
            for key, file in listed["weight_map"].items():
                listed["weight_map"][key] = renamed[file]
            (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(listed))
            index.unlink()
    assert load(find(str(tmp_path))).identity.weights == weights(encoder)


def test_shards_and_one_kind_of_weights_are_downloaded():
    shards = [f"pytorch_model-0000{n}-of-00002.bin" for n in (1, 2)]
    assert weights_of([*shards, "adapter.deu.safetensors", "optimizer.bin"]) == shards
    both = ["model-00001-of-00001.safetensors", *shards]
    assert weights_of(both) == both[:1]
    assert weights_of(["tf_model.h5"]) == []


def test_a_missing_weight_of_whisper_is_refused(tmp_path):
    lively(ARCHITECTURES["whisper"]()).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["layers.1.fc1.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"1 weights .* missing, for example layers\.1\.fc1"):
        load(find(str(tmp_path)))


@pytest.mark.parametrize("name", TORCH_ONLY)
def test_torch_runs_what_openvino_does_not(name, folder_corpus, utterances, tmp_path):
    lively(ARCHITECTURES[name]()).save_pretrained(folder := tmp_path / "encoder")
    request = Request(pooling=("mean",), baselines=())
    assert extract(utterances(folder_corpus(4)), tmp_path / "e.h5", str(folder)).embedded == 4
    with Cache(tmp_path / "e.h5") as cache:
        assert cache.recipe["engine"] == "torch"
        assert cache.recipe["normalisation"] == "none"
        assert "bands" in cache.recipe["front_end"]
    for _ in range(2):  # the second time, the encoder is not loaded
        assert LateEngine(str(folder), request, "cpu").recipe["engine"] == "torch"
        with pytest.raises(UsageError, match=f"encoder is a {name}, .* use --engine torch"):
            LateEngine(str(folder), Request(engine="openvino"), "cpu")
