"""Small models of every architecture, with random weights."""

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
    "data2vec": lambda: T.Data2VecAudioModel(T.Data2VecAudioConfig(**DATA2VEC)),
}


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
