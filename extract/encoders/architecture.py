"""The parts of a transformers architecture that engines use."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from extract.encoders.convolutions import Convolutions, FrontEnd, NativeConvolutions


class Architecture:
    """A family of models with one layout.

    This base class describes the layout of wav2vec 2.0: strided convolutions over the waveform, a
    projection, and a transformer that begins with a positional convolution. Subclasses override
    what differs.

    Attributes:
        model_types: values of ``model_type`` in configurations of the family.
        examples: names on the Hugging Face hub.
        front: its front end in words.
        normalisation: of the waveform or of what is computed from it, in words.
        exactness: where padding would change an utterance, and is kept out.
        extractor: name of the transformers class of its preprocessors.
        traceable: whether it can be converted for OpenVINO, and exported to ONNX.
        tunable: whether it can be fine-tuned.
    """

    model_types: Sequence[str]
    examples: Sequence[str] = ()
    front = "convolutions"
    normalisation = "waveform, as its preprocessor"
    exactness = "first norm, attention, pooling"
    extractor = "Wav2Vec2FeatureExtractor"
    traceable = True
    tunable = True

    def from_pretrained(self, folder: Path, **options: Any) -> Any:
        """Load the encoder of a checkpoint by ``from_pretrained`` of transformers."""
        return transformers.AutoModel.from_pretrained(folder, **options)

    def normalises(self, extractor: Any) -> bool:
        """Whether waveforms are scaled to zero mean and unit variance, by the preprocessor of a
        checkpoint.
        """
        return bool(extractor.do_normalize)

    def described(self, config: Any) -> str:
        """The front end in the recipe; "" if it has convolutions only."""
        return ""

    def squeeze(self, config: Any) -> int:
        """Number of features that the transformer joins to one frame."""
        return 1

    def sizes(self, config: Any) -> tuple[tuple[int, int], ...]:
        """(kernel, stride) in samples of each convolution of the front end."""
        return tuple(zip(config.conv_kernel, config.conv_stride, strict=True))

    def front_end(self, model: Any) -> FrontEnd:
        """Module from samples to features."""
        return Convolutions(model.feature_extractor)

    def native_front_end(self, model: Any) -> NativeConvolutions:
        """The same by the convolutions of torch, for OpenVINO in bfloat16."""
        return NativeConvolutions(model.feature_extractor)

    def projection(self, model: Any) -> Any:
        """Module from features to hidden states (utterance, feature, dim); it returns them, or a
        tuple that begins with them.
        """
        return model.feature_projection

    def transformer(self, model: Any) -> Any:
        """Module with a ``config``, whose arguments are what the projection returns, and
        ``attention_mask`` (utterance, feature).
        """
        return model.encoder

    def layers(self, model: Any) -> nn.ModuleList:
        """Transformer layers. Each takes hidden states (utterance, frame, dim), and returns them,
        or a tuple that begins with them.
        """
        layers: nn.ModuleList = model.encoder.layers
        return layers

    def by_utterance(self, hidden: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Hidden states (utterance, frame, dim) from those that a layer takes or returns.

        `valid` (utterance, frame) marks the frames of each utterance.
        """
        return hidden

    def upper_layers(self, model: Any, first: int) -> list[Any]:
        """Transformer layers from number `first` on (from 0), as they run without those below."""
        return list(self.layers(model))[first:]

    def upper(self, model: Any, first: int) -> Any:
        """The transformer above hidden layer `first`, whose numbers are those of recipes.

        It shares its parameters with the model. Its arguments are those of `transformer`, with
        hidden states of that layer as frames; hidden layer 0 is the input of the first transformer
        layer before dropout.
        """
        whole = self.transformer(model)
        replaced: dict[str, nn.Module] = {
            "layers": nn.ModuleList(self.upper_layers(model, first)),
            "pos_conv_embed": Zeros(),
        }
        if not self.norm_is_last(model.config):
            replaced["layer_norm"] = nn.Identity()  # it is before the layers; otherwise after them
        if first:
            replaced["dropout"] = nn.Identity()
        return with_modules(whole, replaced)

    def norm_is_last(self, config: Any) -> bool:
        """Whether the layer norm of the transformer is after the layers, not before them."""
        return bool(getattr(config, "do_stable_layer_norm", False))

    def leaks(self, model: Any) -> Sequence[nn.Module]:
        """Modules over (utterance, channel, frame) whose input is not zero in the padding, although
        transformers has a mask.
        """
        return []


class Zeros(nn.Module):
    """In place of a module whose output is added to its input."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Zeros of the shape of `hidden`."""
        return torch.zeros_like(hidden)


def with_modules(module: Any, replaced: dict[str, nn.Module]) -> Any:
    """A copy of a module in which some direct submodules are replaced; all others are shared."""
    changed = copy.copy(module)
    changed._modules = {**module._modules, **replaced}
    return changed
