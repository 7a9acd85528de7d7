"""Load an encoder from the folder of a checkpoint, or make an untrained one from a fixed seed."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import transformers

from data.errors import EncoderError
from extract.audio import SAMPLING_RATE
from extract.encoders import trained_on
from extract.encoders.architecture import Architecture
from extract.encoders.architectures import architecture
from extract.encoders.checkpoint import Checkpoint
from extract.encoders.identity import Identity

UNTRAINED_SEED = 0
UNUSED = ("masked_spec_embed",)  # parameters that only pretraining needs

UNTRAINED: dict[str, dict[str, Any]] = {
    "untrained": {},  # wav2vec2-base: group norm, post-norm, 12 layers of 768
    "untrained:large": {  # wav2vec2-large-lv60, XLS-R: layer norm, stable pre-norm, 24 of 1024
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "untrained:small": {  # can be fine-tuned from random weights on two cores
        "hidden_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "conv_dim": (64, 64, 96, 128),
        "conv_kernel": (64, 8, 4, 4),
        "conv_stride": (16, 5, 2, 2),
        "num_conv_pos_embeddings": 17,
        "num_conv_pos_embedding_groups": 8,
    },
    "untrained:tiny": {  # like base, but small
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "conv_dim": (16,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
    },
}


@dataclass(frozen=True)
class Encoder:
    """A transformers model and its identity."""

    model: Any  # a transformers.PreTrainedModel: float32, in evaluation mode
    identity: Identity

    @classmethod
    def of(cls, model: Any, checkpoint: Checkpoint, *, control: bool, normalise: bool) -> "Encoder":
        """Identify a model.

        Args:
            model: a transformers model.
            checkpoint: its origin.
            control: whether the weights are random.
            normalise: whether waveforms are scaled to zero mean and unit variance.

        Raises:
            EncoderError: the architecture is unknown.
        """
        kind = architecture(model.config.model_type, checkpoint.name)
        identity = Identity(
            checkpoint.name,
            checkpoint.revision,
            _checksum(model),
            control,
            normalise,
            location=None if checkpoint.folder is None else str(checkpoint.folder),
            architecture=model.config.model_type,
            config=_config_checksum(model.config),
            depth=len(kind.layers(model)),
            sizes=kind.sizes(model.config),
            squeeze=kind.squeeze(model.config),
            front_end=kind.described(model.config),
            traceable=kind.traceable,
        )
        return cls(model, identity)

    @property
    def architecture(self) -> Architecture:
        """The architecture of the model."""
        return architecture(self.identity.architecture, self.identity.name)


def untrained_model(name: str = "untrained") -> transformers.PreTrainedModel:
    """Make a control; see `extract.untrained_model`."""
    if name not in UNTRAINED:
        raise EncoderError(f"no model {name!r}; expected one of {', '.join(UNTRAINED)}")
    config = transformers.Wav2Vec2Config(**UNTRAINED[name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return transformers.Wav2Vec2Model(config).eval()


def load(checkpoint: Checkpoint) -> Encoder:
    """Load the encoder of a checkpoint.

    Raises:
        EncoderError: the architecture is unknown, or weights are missing.
    """
    name, folder = checkpoint.name, checkpoint.folder
    if folder is None:
        return Encoder.of(untrained_model(name), checkpoint, control=True, normalise=True)
    model = _load_folder(folder, name)
    normalises = _normalises(folder, name, architecture(model.config.model_type, name))
    heard = trained_on.read(folder)
    encoder = Encoder.of(model, checkpoint, control=False, normalise=normalises)
    known = None if heard is None else trained_on.digest(heard)
    return replace(encoder, identity=replace(encoder.identity, trained_on=known))


def _load_folder(folder: Path, name: str) -> transformers.PreTrainedModel:
    try:
        kind = architecture(
            json.loads((folder / "config.json").read_bytes()).get("model_type"), name
        )
    except FileNotFoundError:
        raise EncoderError(f"{folder}: not a checkpoint, config.json is missing") from None
    except (ValueError, AttributeError) as error:
        raise EncoderError(f"{folder}/config.json: not a configuration: {error}") from None
    messages = transformers.utils.logging
    messages.disable_progress_bar()  # of parameters: it takes no time
    verbosity = messages.get_verbosity()
    messages.set_verbosity_error()  # without a table of the weights of heads and decoders
    try:
        model, report = kind.from_pretrained(
            folder,
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=False,
            weights_only=True,
        )
    except (
        OSError, ValueError, KeyError, RuntimeError, UnpicklingError, AttributeError, TypeError
    ) as error:  # fmt: skip
        raise EncoderError(f"{name} cannot be loaded: {str(error).splitlines()[0]}") from None
    finally:
        messages.set_verbosity(verbosity)
    absent = {*report["missing_keys"], *(key for key, *_ in report.get("mismatched_keys", ()))}
    absent = {key for key in absent if not key.endswith(UNUSED)}
    if absent:
        raise EncoderError(
            f"{name}: {len(absent)} weights of the encoder are missing, for example "
            f"{min(absent)}; they would be random. Save it again with save_pretrained"
        )
    return model.eval()


def _normalises(folder: Path, name: str, kind: Architecture) -> bool:
    """Whether the preprocessor of the checkpoint normalises waveforms.

    Raises:
        EncoderError: it expects another sampling rate.
    """
    extractor_class = getattr(transformers, kind.extractor)
    try:
        extractor = extractor_class.from_pretrained(folder)
    except OSError:  # the default of transformers
        extractor = extractor_class()
    if extractor.sampling_rate != SAMPLING_RATE:
        raise EncoderError(
            f"{name}: sampling rate of {extractor.sampling_rate} Hz; expected {SAMPLING_RATE} Hz"
        )
    return kind.normalises(extractor)


def _config_checksum(config: transformers.PretrainedConfig) -> str:
    """SHA-256 of a configuration, without the names of its folder and of the library's version."""
    names = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}
    values = {name: value for name, value in config.to_dict().items() if name not in names}
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _checksum(model: torch.nn.Module) -> str:
    """SHA-256 of the names, shapes and values of the parameters, in any file format."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if name.endswith(UNUSED):
            continue
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.detach().contiguous().numpy().data)
    return digest.hexdigest()
