"""The trained network: the part of an encoder above the frozen layers, and a head."""

import warnings
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from data.errors import EncoderError, HeadError
from extract.encoders.encoder import Encoder
from extract.encoders.hooks import capture, hide_padding
from finetune.head import Head
from finetune.options import RANK, FinetuneOptions

# The feed-forward layers. The attention of WavLM does not call its projections as modules, so that
# adapters there would get no gradient; PEFT-SER has adapters in the feed-forward layers, too.
LORA_TARGETS = ("intermediate_dense", "output_dense")


BITS = 16  # of a random number of dropout, so that p is exact to 1 / 65536

# values: (utterance, sample) or (utterance, frame, dim), what the training reads
# lengths: (utterance,) samples or frames of each; the rest is padding
# masked: (utterance, frame) bool, frames that the mask embedding replaces; absent: none
# labels: (utterance,) classes or (utterance, target) numbers
Batch = dict[str, torch.Tensor]


class Network(nn.Module):
    """The trained part of an encoder, and its head.

    Only the modules above what is frozen are submodules, so that a checkpoint of the training does
    not contain the rest. What is below is not computed here.

    Args:
        encoder: its model is changed: layerdrop and its own masking are disabled, parameters that
            are not trained are frozen, and adapters are added.
        options: see `FinetuneOptions`.
        outputs: number of classes or targets.

    Raises:
        UsageError: the encoder has fewer layers than are to be trained.
        EncoderError: the encoder cannot be fine-tuned, or has no layers for adapters.
    """

    def __init__(self, encoder: Encoder, options: FinetuneOptions, outputs: int) -> None:
        super().__init__()
        kind, model, method = encoder.architecture, encoder.model, options.what
        require_tunable(encoder)
        self.sizes = kind.sizes(model.config)
        self.reads = method.frozen(encoder.identity.depth)
        model.config.layerdrop = 0.0  # would leave out layers that are to be captured
        model.requires_grad_(False)
        # peft's model, in a list so that it is no submodule
        self.adapters = [_with_adapters(model)] if method.name == "lora" else []
        if options.checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        if isinstance(self.reads, str):
            self.project = kind.projection(model)
            self.transformer = kind.transformer(model)
            lowest = 0
            self.project.requires_grad_(True)
            self.transformer.requires_grad_(True)
        else:
            lowest = self.reads
            self.transformer = kind.upper(model, lowest)
            if method.name == "top":
                for layer in kind.layers(model)[lowest:]:
                    layer.requires_grad_(True)
                if kind.norm_is_last(model.config):
                    self.transformer.layer_norm.requires_grad_(True)
        if self.reads == "waveform":
            self.convolutions = model.feature_extractor
            self.convolutions.requires_grad_(True)
            self.convolutions._requires_grad = False  # transformers: the samples need no gradient
        self.mask_embedding = _mask_embedding(model) if options.masked else None
        states = encoder.identity.depth - lowest + 1
        self.head = Head(options.pooling, model.config.hidden_size, states, outputs)
        replace_dropouts(self)
        self._states: list[torch.Tensor] = []
        self._padded: torch.Tensor | None = None
        hide_padding(kind.leaks(model), lambda: self._padded)
        capture(self.transformer.layers, lambda _, hidden: self._states.append(hidden))

    def train(self, mode: bool = True) -> Self:
        """As of torch, but for batch norms (HuBERT may have one): they keep their statistics, which
        those of a padded batch would spoil."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        return self

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs (utterance, output) of a batch."""
        values, counts, masked = batch["values"].float(), batch["lengths"], batch.get("masked")
        if self.reads == "waveform":
            values, counts = self._convolved(values, counts)
        valid = torch.arange(values.shape[1], device=values.device) < counts[:, None]
        self._padded = None if bool(valid.all()) else valid
        if isinstance(self.reads, str):
            projected = self.project(values)
            values = projected[0] if isinstance(projected, tuple) else projected
            if masked is not None and self.mask_embedding is not None:
                embedding = self.mask_embedding.to(values.dtype)
                values = torch.where(masked[:, :, None], embedding, values)
        self._states.clear()
        last = self.transformer(values.clone(), attention_mask=self._padded)[0]
        states = [*self._states[:-1], last]  # with a final norm, where there is one
        self._states.clear()
        return self.head(states, valid)

    def _convolved(
        self, samples: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (utterance, frame, channel) and their counts. Padding would change the norm of
        the first convolution, so utterances of one length are computed together."""
        of_length: dict[int, list[int]] = {}
        for row, length in enumerate(lengths.tolist()):
            of_length.setdefault(length, []).append(row)
        features: dict[int, torch.Tensor] = {}
        for length, rows in of_length.items():
            found = self.convolutions(samples[rows, :length]).transpose(1, 2)
            features.update(zip(rows, found, strict=True))
        ordered = [features[row] for row in range(len(samples))]
        counts = torch.tensor([len(row) for row in ordered], device=samples.device)
        return pad_sequence(ordered, batch_first=True), counts


class Dropout(nn.Dropout):
    """As `torch.nn.Dropout`, in a quarter of the time on a CPU.

    torch draws a number of 32 bits for each element, one after the other. Here, a random word of
    64 bits serves four elements.
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Set a share of `values` to zero, and scale the others, while training."""
        if not self.training or values.device.type != "cpu":
            return functional.dropout(values, self.p, self.training)
        levels = 1 << BITS
        dropped = round(self.p * levels)
        if dropped in (0, levels):
            return functional.dropout(values, self.p, self.training)
        words = torch.empty(-(-values.numel() * BITS // 64), dtype=torch.int64)
        numbers = words.random_(-(2**63), None).view(torch.int16)[: values.numel()]
        kept = numbers.view(values.shape) >= dropped - levels // 2
        return torch.where(kept, values * (levels / (levels - dropped)), 0.0)


def replace_dropouts(module: nn.Module) -> None:
    """Replace all dropouts below a module."""
    for parent in module.modules():
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p))


def require_tunable(encoder: Encoder) -> None:
    """Require that an encoder can be fine-tuned.

    Raises:
        EncoderError: it cannot.
    """
    if not encoder.architecture.tunable:
        raise EncoderError(
            f"{encoder.identity.name} is a {encoder.identity.architecture}, which cannot be "
            "fine-tuned; extract its embeddings, and train a head on them"
        )


def _mask_embedding(model: Any) -> nn.Parameter:
    """The embedding of masked frames, which pretraining has learned; zeros where there is none."""
    found: nn.Parameter | None = getattr(model, "masked_spec_embed", None)
    if found is None:
        found = nn.Parameter(torch.zeros(model.config.hidden_size))
    found.requires_grad_(False)
    return found


def _with_adapters(model: Any) -> Any:
    """Add LoRA adapters, which become the only parameters that are trained; returns peft's model.

    Raises:
        EncoderError: the encoder has no layers for them.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=RANK, lora_alpha=RANK, lora_dropout=0.0, target_modules=list(LORA_TARGETS)
    )
    try:
        with warnings.catch_warnings():  # of peft, about names of transformers
            warnings.simplefilter("ignore", FutureWarning)
            return get_peft_model(model, config)
    except ValueError as error:
        raise EncoderError(f"--method lora: {error}; use --method top:N") from None


def trained(module: nn.Module) -> Sequence[tuple[str, nn.Parameter]]:
    """Names and values of the parameters that are trained."""
    return [(name, value) for name, value in module.named_parameters() if value.requires_grad]


def require_gradients(module: nn.Module) -> None:
    """Require that all parameters that are trained have a gradient.

    Raises:
        HeadError: some have none.
    """
    without = [name for name, value in trained(module) if value.grad is None]
    if without:
        raise HeadError(
            f"{len(without)} parameters that are to be trained get no gradient, such as "
            f"{without[0]}: this method does not train this encoder; use another --method"
        )
