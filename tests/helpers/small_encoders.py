"""Small and wide models of every architecture, with random weights."""

from unittest.mock import patch

import numpy as np
import torch
import transformers

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
LAYER_NORM = SMALL | {
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
DATA2VEC = SMALL | {"num_conv_pos_embeddings": 5, "conv_pos_kernel_size": 19}
SQUEEZED = {"conv_dim": (16,) * 13, "squeeze_factor": 2}
BERT = SMALL | {"conv_depthwise_kernel_size": 5}
WHISPER = {
    "num_mel_bins": 80,
    "d_model": 32,
    "encoder_layers": 3,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 64,
    "max_source_positions": 50,  # windows of a second
    "vocab_size": 8,
    "pad_token_id": 0,
}
T = transformers
ARCHITECTURES = {
    "wav2vec2, group norm": lambda: T.Wav2Vec2Model(T.Wav2Vec2Config(**SMALL)),
    "wav2vec2, layer norm": lambda: T.Wav2Vec2Model(T.Wav2Vec2Config(**LAYER_NORM)),
    "hubert": lambda: T.HubertModel(T.HubertConfig(**SMALL)),
    "hubert, batch norm": lambda: T.HubertModel(T.HubertConfig(**SMALL, conv_pos_batch_norm=True)),
    "hubert, layer norm": lambda: T.HubertModel(T.HubertConfig(**LAYER_NORM)),
    "wavlm": lambda: T.WavLMModel(T.WavLMConfig(**SMALL)),
    "wavlm, layer norm": lambda: T.WavLMModel(T.WavLMConfig(**LAYER_NORM)),
    "unispeech": lambda: T.UniSpeechModel(T.UniSpeechConfig(**SMALL)),
    "unispeech-sat, layer norm": lambda: T.UniSpeechSatModel(T.UniSpeechSatConfig(**LAYER_NORM)),
    "sew": lambda: T.SEWModel(T.SEWConfig(**SMALL | SQUEEZED)),
    "sew-d": lambda: T.SEWDModel(T.SEWDConfig(**SMALL | SQUEEZED, position_buckets=8)),
    "conformer, relative": lambda: T.Wav2Vec2ConformerModel(T.Wav2Vec2ConformerConfig(**SMALL)),
    "conformer, rotary": lambda: T.Wav2Vec2ConformerModel(
        T.Wav2Vec2ConformerConfig(**LAYER_NORM, position_embeddings_type="rotary")
    ),
    "whisper": lambda: T.WhisperModel(T.WhisperConfig(**WHISPER)).encoder,
    "wav2vec2-bert": lambda: T.Wav2Vec2BertModel(T.Wav2Vec2BertConfig(**BERT)),
    "wav2vec2-bert, rotary": lambda: T.Wav2Vec2BertModel(
        T.Wav2Vec2BertConfig(**BERT, position_embeddings_type="rotary")
    ),
    "data2vec": lambda: T.Data2VecAudioModel(T.Data2VecAudioConfig(**DATA2VEC)),
}
WIDE = {  # one layer each
    "unispeech": lambda: T.UniSpeechModel(T.UniSpeechConfig(num_hidden_layers=1)),
    "sew": lambda: T.SEWModel(T.SEWConfig(num_hidden_layers=1)),
    "sew-d": lambda: T.SEWDModel(T.SEWDConfig(num_hidden_layers=1)),
    "wavlm": lambda: T.WavLMModel(T.WavLMConfig(num_hidden_layers=1)),
    "data2vec": lambda: T.Data2VecAudioModel(T.Data2VecAudioConfig(num_hidden_layers=1)),
    "conformer": lambda: T.Wav2Vec2ConformerModel(T.Wav2Vec2ConformerConfig(num_hidden_layers=1)),
    "wav2vec2-bert": lambda: T.Wav2Vec2BertModel(T.Wav2Vec2BertConfig(num_hidden_layers=1)),
    "whisper": lambda: T.WhisperModel(T.WhisperConfig(encoder_layers=1, decoder_layers=1)).encoder,
}
TORCH_ONLY = ("whisper", "wav2vec2-bert")  # beginnings of names


def alone(model: torch.nn.Module, waveform: np.ndarray) -> np.ndarray:
    """(layer, frame, dim) by transformers itself, for one file without any padding."""
    with torch.inference_mode():
        found = ALONE.get(model.config.model_type, convolved)(model, waveform)
    return found.numpy()


def convolved(model: torch.nn.Module, waveform: np.ndarray) -> torch.Tensor:
    states = model(torch.from_numpy(waveform)[None], output_hidden_states=True).hidden_states
    return torch.cat(states)


def in_windows(model: torch.nn.Module, waveform: np.ndarray) -> torch.Tensor:
    """By Whisper: each window is padded, and its own frames are those that transformers counts.

    Most versions of transformers give the last states after the final norm, which is left out here.
    """
    seconds = model.config.max_source_positions // 50
    extractor = T.WhisperFeatureExtractor(model.config.num_mel_bins, chunk_length=seconds)
    found = []
    for first in range(0, len(waveform), extractor.n_samples):
        window = waveform[first : first + extractor.n_samples]
        inputs = extractor(
            window, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt"
        )
        with patch.object(model.layer_norm, "forward", lambda states: states):
            states = model(inputs.input_features, output_hidden_states=True).hidden_states
        count = int(model._get_feat_extract_output_lengths(inputs.attention_mask.sum()))
        found.append(torch.cat(states)[:, :count])
    return torch.cat(found, dim=1)


def filtered(model: torch.nn.Module, waveform: np.ndarray) -> torch.Tensor:
    """By Wav2Vec2-BERT, whose last frame is padding if the spectrogram has an odd length."""
    inputs = T.SeamlessM4TFeatureExtractor()(waveform, sampling_rate=16_000, return_tensors="pt")
    states = model(**inputs, output_hidden_states=True).hidden_states
    return torch.cat(states)[:, : int(inputs.attention_mask.sum())]


ALONE = {"whisper": in_windows, "wav2vec2-bert": filtered}


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """Give biases and norms values that matter: fresh ones hide mistakes behind zeros and ones."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0.3, 0.5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model.eval()
