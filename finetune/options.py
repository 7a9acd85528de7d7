"""The options of fine-tuning."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from data.errors import UsageError

METHODS = "lora, top:N, encoder or full"
CROSSED = "speaker+sentence"  # of `classify.evaluation.folds`, which imports more
POOLINGS = ("mean", "statistics", "attentive", "mix")
PRECISIONS = ("float32", "bfloat16")
RANK = 16  # of LoRA, as PEFT-SER (Feng & Narayanan 2023)

# Learning rates of the encoder. Pretrained: SpeechBrain's recipe for IEMOCAP and the Odyssey 2024
# baseline train all layers by 1e-5, PEFT-SER adapters by 5e-4. Random weights need larger steps.
RATES = {"lora": 5e-4, "top": 1e-4, "encoder": 1e-5, "full": 1e-5}
RANDOM_RATE = 1e-3
HEAD_RATES = 10.0  # times the rate of the encoder, as in SpeechBrain's recipe


@dataclass(frozen=True)
class Method:
    """What is trained: ``lora``, ``top:N``, ``encoder`` (all but the convolutions), ``full``."""

    name: str  # lora, top, encoder, full
    layers: int = 0  # the highest layers that are trained, of ``top:N``

    @classmethod
    def parse(cls, text: str) -> "Method":
        """Parse ``--method``.

        Raises:
            UsageError: the method is unknown.
        """
        if text in ("lora", "encoder", "full"):
            return cls(text)
        if found := re.fullmatch(r"top:([1-9][0-9]*)", text):
            return cls("top", int(found[1]))
        raise UsageError(f"--method {text}: expected {METHODS}")

    def frozen(self, depth: int) -> int | str:
        """What the training reads: a hidden layer of an encoder of `depth` layers, ``features`` of
        the convolutions, or ``waveform``. All below is frozen.

        Raises:
            UsageError: the encoder has fewer layers than are to be trained.
        """
        if self.name in ("encoder", "full"):
            return "features" if self.name == "encoder" else "waveform"
        if self.layers > depth:
            raise UsageError(f"--method top:{self.layers}: this encoder has {depth} layers")
        return 0 if self.name == "lora" else depth - self.layers


@dataclass(frozen=True)
class FinetuneOptions:
    """The options that determine the weights, verified when they are made.

    Attributes:
        model: name on the Hugging Face hub, folder, or ``untrained[:large|:small|:tiny]``.
        method: see `Method`.
        target: a column of the utterances; several numeric ones, joined by commas, are regressed.
        labels: see `data.emotions.parse_labels`; None: the shared vocabulary.
        folds: see `classify.evaluation.folds.split`.
        epochs: the largest number; 30 as in PEFT-SER and SpeechBrain's recipe.
        learning_rate: of the encoder; None: see `RATES` and `RANDOM_RATE`.
        head_learning_rate: None: ten times that of the encoder, or the same for random weights.
        batch_seconds: padded seconds of audio in a batch.
        accumulate: batches of one step.
        max_seconds: a random part of so many seconds is used of longer utterances in training.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: of AdamW.
        label_smoothing: see `torch.nn.functional.cross_entropy`.
        class_weights: whether classes weigh the same in the loss, whatever their size.
        mask_time: share of the frames that are masked in training (SpecAugment); None: 0.05, the
            default of transformers, or 0 where the input of the transformer is frozen.
        pooling: of the head, one of `POOLINGS`.
        patience: epochs without a better score on the inner speakers, after which training stops;
            0: train all epochs, on all speakers of the training part.
        seed: of weights, batches, dropout and folds.
        precision: float32 or bfloat16.
        checkpointing: whether activations are computed again in the backward pass, to save memory.

    Raises:
        UsageError: an option is out of range.
    """

    model: str = "facebook/wav2vec2-base"
    method: str = "encoder"
    target: str = "emotion"
    labels: str | None = None
    folds: int | str = "auto"
    epochs: int = 30
    learning_rate: float | None = None
    head_learning_rate: float | None = None
    batch_seconds: float = 16.0
    accumulate: int = 1
    max_seconds: float = 10.0
    warmup: float = 0.1
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    class_weights: bool = True
    mask_time: float | None = None
    pooling: str = "statistics"
    patience: int = 5
    seed: int = 0
    precision: str = "float32"
    checkpointing: bool = False

    def __post_init__(self) -> None:
        method = Method.parse(self.method)
        limits = {
            "epochs": (1, 10_000), "accumulate": (1, 10_000), "patience": (0, 10_000),
            "warmup": (0, 1), "weight_decay": (0, 10), "label_smoothing": (0, 0.99),
            "seed": (0, 2**32 - 1), "batch_seconds": (0.1, 1e6), "max_seconds": (0.1, 600),
        }  # fmt: skip
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                given = f"--{name.replace('_', '-')} {getattr(self, name)}"
                raise UsageError(f"{given}: expected {least:g} to {most:g}")
        for name in ("learning_rate", "head_learning_rate"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate <= 1:
                raise UsageError(f"--{name.replace('_', '-')} {rate:g}: expected above 0, up to 1")
        if self.folds == CROSSED:
            raise UsageError(
                f"--folds {CROSSED}: caches by fold cannot keep tested sentences out of a head's "
                "training part; ask for speaker, a number, or a file"
            )
        if self.pooling not in POOLINGS:
            raise UsageError(f"--pooling {self.pooling}: expected one of {', '.join(POOLINGS)}")
        if self.precision not in PRECISIONS:
            raise UsageError(f"--precision {self.precision}: expected {', '.join(PRECISIONS)}")
        if self.mask_time is not None and not 0 <= self.mask_time <= 0.9:
            raise UsageError(f"--mask-time {self.mask_time:g}: expected 0 to 0.9")
        if self.mask_time and method.name in ("lora", "top"):
            raise UsageError(
                f"--mask-time: with --method {self.method} the input of the transformer is frozen "
                "and cached, so it cannot be masked; use --method encoder"
            )

    @property
    def what(self) -> Method:
        """The method."""
        return Method.parse(self.method)

    def rates(self, control: bool) -> tuple[float, float]:
        """Learning rates of encoder and head; `control`: the encoder has random weights."""
        encoder = self.learning_rate or (RANDOM_RATE if control else RATES[self.what.name])
        times = 1.0 if control else HEAD_RATES
        return encoder, self.head_learning_rate or times * encoder

    @property
    def masked(self) -> float:
        """Share of the frames that are masked."""
        if self.mask_time is not None:
            return self.mask_time
        return 0.05 if self.what.name in ("encoder", "full") else 0.0

    def as_json(self) -> dict[str, Any]:
        """The options as JSON."""
        return asdict(self)
