"""Load an encoder: from the Hugging Face hub, from a folder, or untrained from a fixed seed."""

import hashlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
import transformers
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from data.errors import EncoderError
from extract.audio import SAMPLING_RATE

ARCHITECTURES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")  # XLS-R is a wav2vec2
UNTRAINED_SEED = 0
HUB_TIMEOUT = 5.0  # seconds to wait for the hub's first answer
UNUSED = ("masked_spec_embed",)  # parameters that only pretraining needs

UNTRAINED = {
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
    "untrained:tiny": {  # as base, but quick
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
    """A transformers model and what identifies it."""

    model: transformers.PreTrainedModel  # float32, in evaluation mode
    name: str  # hub name, folder name, or untrained[:size]
    revision: str | None  # the hub's commit
    weights: str  # SHA-256 of all parameters
    control: bool  # untrained: a control, no model of speech
    normalise: bool  # whether waveforms are to have zero mean and unit variance
    location: str | None = None  # the folder that it was loaded from

    @property
    def convolutions(self) -> tuple[tuple[int, int], ...]:
        """(kernel, stride) of each convolution of the feature extractor."""
        config = self.model.config
        return tuple(zip(config.conv_kernel, config.conv_stride, strict=True))

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return SAMPLING_RATE / prod(stride for _, stride in self.convolutions)

    @property
    def receptive_field(self) -> int:
        """Samples that the first frame is made of."""
        samples = 1
        for kernel, stride in reversed(self.convolutions):
            samples = (samples - 1) * stride + kernel
        return samples


def untrained_model(name: str = "untrained") -> transformers.PreTrainedModel:
    """The plain transformers model of an untrained control, with weights from a fixed seed.

    Args:
        name: ``untrained`` (wav2vec2-base), ``untrained:large`` or ``untrained:tiny``.
    """
    if name not in UNTRAINED:
        raise EncoderError(f"no model {name!r}; untrained ones are {', '.join(UNTRAINED)}")
    config = transformers.Wav2Vec2Config(**UNTRAINED[name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return transformers.Wav2Vec2Model(config).eval()


def load(name: str) -> Encoder:
    """Load the encoder called `name`: a folder, a name on the hub, or ``untrained[:size]``.

    Raises:
        EncoderError: it is not there, of an unknown kind, or weights of it are missing.
    """
    if name.partition(":")[0] == "untrained":
        model = untrained_model(name)
        return Encoder(model, name, None, _checksum(model), control=True, normalise=True)
    folder, revision = _find(name)
    model = _load_folder(folder, name)
    return Encoder(
        model,
        name=name if revision else folder.name,
        revision=revision,
        weights=_checksum(model),
        control=False,
        normalise=_normalises(folder, name),
        location=str(folder),
    )


def _find(name: str) -> tuple[Path, str | None]:
    """The folder of a checkpoint and, if it is from the hub, its commit."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve(), None
    looks_local = name.startswith((".", "/", "~")) or name.count("/") != 1
    if looks_local:
        raise EncoderError(
            f"no model at {name}: no such folder, and no name on the hub (user/model)"
        )
    try:
        found = Path(_download(name))
    except (RepositoryNotFoundError, HFValidationError):
        raise EncoderError(
            f"the hub has no model {name!r}, and no folder is called so; check the spelling"
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise EncoderError(
            f"{name} is not on this machine and the hub cannot be reached "
            f"({str(error).splitlines()[0]}). Three ways out: --model PATH to a folder saved by "
            "save_pretrained; a Hugging Face cache filled elsewhere (HF_HOME); "
            "--model untrained, a control that needs no download"
        ) from None
    return found, found.name


def _download(name: str) -> str:
    """Fetch a checkpoint's snapshot, or find it in the local cache, and return its folder."""
    try:
        files = {f.rfilename for f in HfApi().model_info(name, timeout=HUB_TIMEOUT).siblings or ()}
    except (RepositoryNotFoundError, HFValidationError):
        raise
    except Exception:  # offline, in the many ways in which that shows: perhaps it is here already
        return snapshot_download(name, local_files_only=True)
    safe = any(f.endswith(".safetensors") for f in files)
    weights = "*.safetensors*" if safe else "pytorch_model*.bin*"
    return snapshot_download(name, allow_patterns=["*.json", weights], etag_timeout=HUB_TIMEOUT)


def _load_folder(folder: Path, name: str) -> transformers.PreTrainedModel:
    if not (folder / "config.json").is_file():
        raise EncoderError(f"{folder}: no checkpoint: config.json is missing")
    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if config.model_type not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise EncoderError(f"{name} is a {config.model_type}; expected one of {known}")
        model, report = transformers.AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=False,
            weights_only=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise EncoderError(f"{name} cannot be loaded: {str(error).splitlines()[0]}") from None
    absent = {*report["missing_keys"], *(key for key, *_ in report.get("mismatched_keys", ()))}
    absent = {key for key in absent if not key.endswith(UNUSED)}
    if absent:
        raise EncoderError(
            f"{name}: {len(absent)} weights of the encoder are missing, for example "
            f"{min(absent)}; they would be random. Save it again with save_pretrained"
        )
    return model.eval()


def _normalises(folder: Path, name: str) -> bool:
    """Whether the checkpoint's own preprocessor normalises, and that it fits this program."""
    try:
        extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    except OSError:  # saved without one: transformers' own default
        extractor = transformers.Wav2Vec2FeatureExtractor()
    if extractor.sampling_rate != SAMPLING_RATE:
        raise EncoderError(
            f"{name} expects {extractor.sampling_rate} Hz; this program feeds {SAMPLING_RATE} Hz"
        )
    return bool(extractor.do_normalize)


def _checksum(model: torch.nn.Module) -> str:
    """SHA-256 over names, shapes and values of the parameters, however they were stored."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if name.endswith(UNUSED):
            continue
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.detach().contiguous().numpy().data)
    return digest.hexdigest()
