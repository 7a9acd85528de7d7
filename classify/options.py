"""The options of a cross-validation, and those that it shares with the studies."""

from dataclasses import asdict, dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any

from classify.heads import HEADS, LEAST_C, MOST_C, Head, find
from classify.training_options import TrainingOptions
from data.errors import UsageError
from data.options import names_in, option, verify

NONE = "none"  # in place of poolings: sequences by themselves
EMOTION_TARGETS = ("emotion", "emotion_perceived")  # the columns that --labels maps


def _layer(text: str) -> int | str:
    if not text.isidentifier() and not text.isdecimal():
        raise UsageError(
            f"--layer {text!r}: expected a layer's number, mean, mix, or a baseline's name"
        )
    return int(text) if text.isdecimal() else text


# Options that several dataclasses have, each under the same name
CACHE = option(Path("embeddings.h5"), "cache written by 'python -m extract'", metavar="FILE")
CORPORA = option(
    (),
    "use only these corpora of the cache; names joined by commas, or repeat the option",
    flag="--corpus",
    action="extend",
    metavar="NAME",
)
LABELS = option(
    None,
    "'anger,sadness', 'happiness=happiness+excitement,anger', 'native', or a protocol: big4, "
    "arousal, valence, iemocap-4, ravdess-7 (default: every emotion of the shared vocabulary)",
)
LAYER = option(
    None,
    "one hidden layer, the mean of all layers, a learned mix of all layers, or a baseline of the "
    "cache, such as logmel or egemaps (default: mix for neural heads, mean for others)",
    type=_layer,
    metavar="N|mean|mix|NAME",
)
C = option(
    None,
    "inverse strength of the regularisation of linear heads and svm, from "
    f"{LEAST_C:g} to {MOST_C:g}",
    limits=(LEAST_C, MOST_C),
    metavar="C",
)
POOLINGS = option(
    (),
    "mean, std or max, joined by commas (default: all in the cache)",
    flag="--pooling",
    metavar="NAMES",
)
FOLDS = option(
    "auto",
    "speaker: leave one speaker out; N: N folds grouped by speaker; auto: speaker for up to 30 "
    "speakers, else 10; speaker+sentence: as auto, without the tested sentences in training; FILE: "
    "a CSV with the columns id or file, and fold or part, or the files of EmoBox or EMO-SUPERB, or "
    "a folder of them; column:NAME: the same of a column of the cache; iemocap-session: leave one "
    "session out",
    limits=(2, inf),
    metavar="auto|speaker|speaker+sentence|N|FILE|column:NAME|iemocap-session",
)
REPAIR = option(
    (),
    "drop from each training part what shares a speaker, a recording or a sentence with its test "
    "part: one or more of these, joined by commas",
    choices=("speaker", "recording", "sentence"),
    metavar="NAMES",
)
HEAD_NAMES = option(
    ("logreg",),
    "heads as in 'python -m classify', joined by commas",
    metavar="NAMES",
)
CURVES = option(True, "do not score every layer")
SEED = option(0, "random seed", limits=(0, 2**32 - 1), metavar="N")
ALLOW_HEARD = option(
    False,
    "test also on recordings and speakers that the encoder was trained on; all results are marked",
)


@dataclass(frozen=True)
class Options:
    """The options, verified when they are made."""

    head: str = option(
        "mlp",
        "; ".join(f"{name}: {head.summary}" for name, head in HEADS.items())
        + "; or any class with scikit-learn's interface, such as sklearn.naive_bayes:GaussianNB",
        metavar="HEAD",
    )
    cache: Path = CACHE
    corpora: tuple[str, ...] = CORPORA
    labels: str | None = LABELS  # see `data.emotions.parse_labels`
    target: str = option(
        "emotion",
        "column to predict: emotion_perceived, sex, or any other column of the cache; numeric "
        "columns, such as arousal,valence, are regressed",
        metavar="COLUMN",
    )
    layer: int | str | None = LAYER
    C: float | None = C
    poolings: tuple[str, ...] = option(
        (),
        "mean, std or max, joined by commas (default: all in the cache; with sequences all but the "
        "mean, or none)",
        flag="--pooling",
        metavar="NAMES",
    )
    folds: int | str = FOLDS  # see `classify.evaluation.folds.split`
    repair: tuple[str, ...] = REPAIR
    strict: bool = option(
        False,
        "exit with status 1 if a speaker, a recording or a sentence is in training and test",
    )
    axis: str | None = option(
        None,
        "sequence axis of gru, attention and transformer (default: time if the cache has "
        "sequences, else layer)",
        choices=("time", "layer"),
    )
    normalize: str = option(
        "global",
        "standardise features by the training part; by each speaker's own recordings, test "
        "speakers included; or not at all, for neural heads",
        choices=("global", "speaker", "none"),
    )
    balance: bool = option(False, "weight all classes equally in training")
    training: TrainingOptions = field(
        default_factory=TrainingOptions, metadata={"title": "neural heads"}
    )
    tune: int = option(
        0,
        "choose among N settings in each training part, by inner folds of speakers (default: no "
        "choice)",
        metavar="N",
    )
    seeds: int = option(
        1,
        "fit each fold N times with the seeds from --seed on; print mean and deviation",
        limits=(1, inf),
        metavar="N",
    )
    seed: int = SEED
    device: str = option("cpu", "device of neural heads: cpu or cuda")
    allow_heard: bool = ALLOW_HEARD

    def __post_init__(self) -> None:
        verify(self)
        head = find(self.head)
        if self.layer == "mix" and not head.neural:
            raise UsageError(
                f"--head {self.head} cannot mix layers: use --layer mean or a number, or one of "
                f"the heads {_heads_that('neural')}"
            )
        self._require_suitable(head)
        if self.tune < 0 or self.tune == 1:
            raise UsageError(f"--tune {self.tune}: expected 2 or more settings to choose among")
        if not self.targets:
            raise UsageError(f"--target {self.target!r}: expected a column of the cache")
        if self.labels is not None and self.target not in EMOTION_TARGETS:
            raise UsageError(
                f"--labels is for emotions, not for --target {self.target}: leave it out"
            )

    def _require_suitable(self, head: Head) -> None:
        """Refuse options that the head ignores."""
        neural = ["--" + name.replace("_", "-") for name in self.training.given]
        neural += ["--normalize none"] if self.normalize == "none" else []
        neural += ["--device"] if self.device != "cpu" else []
        if neural and not head.neural:
            raise UsageError(f"{neural[0]} is for neural heads; {self.head} is not one")
        if self.axis and not head.sequences:
            raise UsageError(f"--axis is for heads that read sequences: {_heads_that('sequences')}")
        if self.seeds > 1 and not head.random:
            raise UsageError(
                f"--seeds {self.seeds}: --head {self.head} is deterministic: leave it out"
            )
        if self.C is not None and not head.regularised:
            raise UsageError(f"--C: {self.head} has none; these have: {_heads_that('regularised')}")
        if self.balance and not head.balanced:
            able = _heads_that("balanced")
            raise UsageError(f"--balance: {self.head} takes no weights; these do: {able}")

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that ``--target`` names."""
        return names_in(self.target)

    @property
    def fixed(self) -> dict[str, Any]:
        """Parameters of the head that are set, so that ``--tune`` does not search them."""
        return self.training.given | ({} if self.C is None else {"C": self.C})

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers, without the path of the cache."""
        return recorded(self) | {"training": self.training.given}


def _heads_that(able: str) -> str:
    return ", ".join(name for name, head in HEADS.items() if getattr(head, able))


def require_heads(heads: tuple[str, ...]) -> None:
    """Require different heads.

    Raises:
        UsageError: there is no head, or one is given twice.
    """
    if not heads or len(set(heads)) < len(heads):
        raise UsageError(f"--heads {','.join(heads)}: expected different heads")


def recorded(options: Any) -> dict[str, Any]:
    """The options that decide the numbers, without the paths of caches."""
    values = asdict(options)
    unused = {name for name in ("allow_heard", "repair") if not values.get(name)}
    return {
        name: value
        for name, value in values.items()
        if name not in {"cache", "caches", "strict", *unused}
    }


@dataclass(frozen=True)
class StudyOptions:
    """Base of the options of studies that fit several heads."""

    def options(self, **values: Any) -> Options:
        """The options of one cross-validation: `values`, and those that both classes have."""
        shared = {one.name for one in fields(Options)} & {one.name for one in fields(self)}
        return Options(**{name: getattr(self, name) for name in shared} | values)

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers, without the paths of caches."""
        return recorded(self)
