"""The options of fine-tuning."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from data.errors import UsageError
from data.options import option, verify

METHODS = "lora, top:N, encoder or full"
CROSSED = "speaker+sentence"  # of `classify.evaluation.folds`, which imports more
RANK = 16  # of LoRA, as PEFT-SER (Feng & Narayanan 2023)

# Learning rates of the encoder. Pretrained: SpeechBrain's recipe for IEMOCAP and the Odyssey 2024
# baseline train all layers by 1e-5, PEFT-SER adapters by 5e-4. Random weights need larger steps.
RATES = {"lora": 5e-4, "top": 1e-4, "encoder": 1e-5, "full": 1e-5}
RANDOM_RATE = 1e-3
HEAD_RATES = 10.0  # times the rate of the encoder, as in SpeechBrain's recipe


@dataclass(frozen=True)
class Method:
    """The trained part: ``lora``, ``top:N``, ``encoder`` (all but the convolutions), ``full``."""

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

    Raises:
        UsageError: an option is out of range.
    """

    model: str = option(
        "facebook/wav2vec2-base",
        "name on the Hugging Face hub, folder, or 'untrained[:large|:small|:tiny]'; small can be "
        "trained from random weights on a CPU",
    )
    method: str = option(  # see `Method`
        "encoder",
        f"lora: adapters of rank {RANK}; top:N: the N highest layers; encoder: all but the "
        "convolutions; full: everything",
        metavar="lora|top:N|encoder|full",
    )
    target: str = option(
        "emotion",
        "column to predict; numeric columns, such as arousal,valence, are regressed by a CCC loss",
        metavar="COLUMN",
    )
    labels: str | None = option(None, "as of 'python -m classify'")
    folds: int | str = option(  # see `classify.evaluation.folds.split`
        "auto", "as of 'python -m classify'", metavar="auto|speaker|N|FILE"
    )
    pooling: str = option(
        "statistics",
        "over time, before the linear layer",
        choices=("mean", "statistics", "attentive", "mix"),
    )
    epochs: int = option(30, limits=(1, 10_000), metavar="N")  # as PEFT-SER and SpeechBrain
    patience: int = option(
        5,
        "stop after N epochs without a better score on some speakers of the training part; 0: "
        "train all epochs, on all of these speakers",
        limits=(0, 10_000),
        metavar="N",
    )
    learning_rate: float | None = option(  # see `RATES` and `RANDOM_RATE`
        None,
        "of the encoder (default: 1e-5; lora 5e-4; top:N 1e-4; 1e-3 for random weights)",
        metavar="X",
    )
    head_learning_rate: float | None = option(
        None,
        "(default: 10 times that of the encoder, or the same for random weights)",
        metavar="X",
    )
    batch_seconds: float = option(16.0, "audio of a batch", limits=(0.1, 1e6), metavar="S")
    accumulate: int = option(1, "batches of one step", limits=(1, 10_000), metavar="N")
    max_seconds: float = option(
        10.0,
        "train on a random part of so many seconds of longer recordings",
        limits=(0.1, 600),
        metavar="S",
    )
    warmup: float = option(
        0.1, "share of the steps with a rising learning rate", limits=(0, 1), metavar="X"
    )
    weight_decay: float = option(0.01, limits=(0, 10), metavar="X")
    label_smoothing: float = option(0.0, limits=(0, 0.99), metavar="X")
    class_weights: bool = option(True, "let frequent classes weigh more in the loss")
    mask_time: float | None = option(  # SpecAugment, as of transformers
        None,
        "share of the frames that are masked (default: 0.05; 0 with lora and top:N)",
        metavar="X",
    )
    seed: int = option(0, limits=(0, 2**32 - 1), metavar="N")
    precision: str = option("float32", choices=("float32", "bfloat16"))
    checkpointing: bool = option(
        False, "less memory, a third more time", flag="--gradient-checkpointing"
    )

    def __post_init__(self) -> None:
        verify(self)
        method = Method.parse(self.method)
        for name in ("learning_rate", "head_learning_rate"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate <= 1:
                raise UsageError(f"--{name.replace('_', '-')} {rate:g}: expected above 0, up to 1")
        if self.folds == CROSSED:
            raise UsageError(
                f"--folds {CROSSED}: caches by fold cannot keep tested sentences out of a head's "
                "training part; ask for speaker, a number, or a file"
            )
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
