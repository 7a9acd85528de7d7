"""A head fitted on everything, and the folder that keeps it.

``model.json`` says what the head is and which encoder it listens to; ``head.skops`` (scikit-learn)
or ``head.safetensors`` (torch) holds what it learned. Neither can run code when it is loaded:
skops builds only types on a fixed list, safetensors holds numbers only.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import skops.io

from classify.crossvalidate import learning_from
from classify.dataset import encoder_name, load
from classify.features import Features
from classify.heads import HEADS, build, build_regressor
from classify.options import Options, split_one
from classify.regression.run import new_regressor
from classify.regression.targets import is_regression
from classify.regression.targets import load as load_numbers
from classify.run import new_head
from data import recipe as recipes
from data.errors import ModelError, UsageError
from data.publish import publish_bytes

if TYPE_CHECKING:
    from classify.listener import Answer, Audio, Listener
    from classify.timeline import Timeline
    from extract.decoding import Refusal

FORMAT = "wav2emo model"
VERSION = 1
CARD = "model.json"
FILES = {False: "head.skops", True: "head.safetensors"}  # by whether the head is neural
TRUSTED = [  # what the heads are made of beyond the types that skops knows
    "classify.heads.classical.WeightedPipeline",
    "classify.heads.linear.LDA",
    "classify.heads.linear.Ridge",
    "classify.heads.linear.SoftmaxRegression",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # see `check_trees`
    "sklearn.tree._tree.Tree",
]
SCHEMA: dict[str, type | tuple[type, ...]] = {
    "head": str,
    "parameters": dict,
    "classes": list,
    "target": str,
    "labels": (str, type(None)),
    "features": dict,
    "recipe": dict,
    "fingerprint": str,
    "encoder_location": (str, type(None)),
    "corpora": dict,
    "support": dict,
    "seed": int,
    "head_sha256": str,
}


_OPENING = threading.Lock()


@dataclass(frozen=True)
class Model:
    """A fitted head with all that new audio has to go through before it."""

    head: Any  # a fitted classifier of scikit-learn's kind, or a regressor
    features: Features
    card: Mapping[str, Any]  # what ``model.json`` holds, see `SCHEMA`

    @property
    def classes(self) -> list[str]:
        """Sorted, as the columns of the probabilities; none of a regression."""
        return list(self.card["classes"])

    @property
    def targets(self) -> tuple[str, ...]:
        """What the numbers of a regression are; none where there are classes."""
        return () if self.classes else split_one(self.card["target"])

    @property
    def temperature(self) -> float:
        """What the logarithms of the head's probabilities are divided by; 1: not calibrated."""
        return float(self.card.get("temperature", 1.0))

    @property
    def recipe(self) -> dict[str, Any]:
        """The encoder that the head listens to."""
        return dict(self.card["recipe"])

    @property
    def encoder(self) -> str:
        """The encoder's name."""
        return encoder_name(self.recipe)

    def probabilities(
        self, layers: Mapping[str, npt.NDArray[np.float32]], sequence: npt.NDArray | None
    ) -> npt.NDArray[np.float64]:
        """(class,) probabilities of one utterance.

        Args:
            layers: pooling → (layer, dim), of the encoder that `recipe` names.
            sequence: (layer, step, dim), where the recipe asks for one.
        """
        X = self.features.of_embedding(self.recipe, layers, sequence)
        return self.head.predict_proba(X)[0]

    def numbers(
        self, layers: Mapping[str, npt.NDArray[np.float32]], sequence: npt.NDArray | None
    ) -> npt.NDArray[np.float64]:
        """(target,) what a regression says of one utterance, given as to `probabilities`."""
        X = self.features.of_embedding(self.recipe, layers, sequence)
        return self.head.predict(X)[0]

    def listener(self, device: str = "auto", encoder: str | None = None) -> "Listener":
        """This head with its encoder, which is loaded at the first call and kept.

        Raises:
            EncoderError, RecipeMismatch: the encoder that the model listens to cannot be had.
        """
        from classify.listener import Listener

        with _OPENING:
            opened = self.__dict__.setdefault("_listeners", {})
            if (device, encoder) not in opened:
                opened[device, encoder] = Listener.open(self, device, encoder)
            return opened[device, encoder]

    def predict(
        self,
        recordings: Iterable["Audio"],
        rate: int = 16_000,
        device: str = "auto",
        encoder: str | None = None,
    ) -> list["Answer | Refusal"]:
        """Answers for files and for waveforms in memory, in their order.

        A recording that cannot be answered for gets a `Refusal` with its `reason` and stops no
        other; ``result.refused`` tells the two apart. Threads may share a model; pickling leaves
        the encoder out.

        Args:
            recordings: paths, and (sample,) arrays of floats within ±1 at `rate` Hz, mono.
            rate: of the arrays; files know theirs.
            device: auto, cpu, cuda[:N] or mps.
            encoder: where the encoder is; None: where it was when the model was trained.

        Raises:
            EncoderError, RecipeMismatch: the encoder that the model listens to cannot be had.
            UsageError: a single path or array; expected a list of them.
        """
        if isinstance(recordings, str | Path | np.ndarray):
            raise UsageError("predict() takes a list: of one recording, [recording]")
        return list(self.listener(device, encoder).hear(recordings, rate))

    def timeline(
        self,
        recording: "Audio",
        window: float = 3.0,
        hop: float = 1.0,
        rate: int = 16_000,
        device: str = "auto",
        encoder: str | None = None,
    ) -> "Timeline":
        """What is felt when in one recording of any length, heard through windows of `window`
        seconds, one every `hop` seconds; the rest as in `predict`.

        Raises:
            AudioError: the recording is refused.
            UsageError: window or hop make no sense.
        """
        return self.listener(device, encoder).timeline(recording, window, hop, rate)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_listeners"}

    def save(self, folder: Path) -> None:
        """Write the model's folder, over an older model if one is there.

        Raises:
            UsageError: something else is in the folder.
        """
        check(folder)
        folder.mkdir(parents=True, exist_ok=True)
        neural = HEADS[self.card["head"]].neural
        content = _dump(self.head, neural)
        (folder / CARD).unlink(missing_ok=True)
        (folder / FILES[not neural]).unlink(missing_ok=True)
        publish_bytes(folder / FILES[neural], content)
        card = {
            "format": FORMAT,
            "version": VERSION,
            **self.card,
            "head_sha256": hashlib.sha256(content).hexdigest(),
        }
        card["sha256"] = recipes.fingerprint(card)
        publish_bytes(
            folder / CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode()
        )

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model's folder.

        Raises:
            ModelError: it is not there, incomplete, altered, or of a version that this one does
                not know.
        """
        folder = Path(folder)
        card = _read_card(folder)
        neural = HEADS[card["head"]].neural
        file = folder / FILES[neural]
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise ModelError(f"{folder}: incomplete: {file.name} is missing; train again") from None
        if hashlib.sha256(content).hexdigest() != card["head_sha256"]:
            raise ModelError(f"{file}: altered since it was trained; train again")
        try:
            features = Features.from_json(card["features"])
            head = _restore(card, content) if neural else _loaded(content)
            fits = list(getattr(head, "classes_", ())) == card["classes"]
        except Exception as error:  # skops raises nearly everything on what it refuses
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{file}: refused: {reason}") from error
        if not fits:
            raise ModelError(f"{folder}: the head's classes are not those of {CARD}; train again")
        return cls(head, features, card)


def train(options: Options) -> Model:
    """Fit the head that `options` name, or its regressor, on everything that they choose.

    Raises:
        CacheError, UsageError: there is no such cache, or it does not hold what is asked for.
        HeadError: the head cannot learn from it.
    """
    head: Any
    y: npt.NDArray
    if options.normalize == "speaker":
        raise UsageError(
            "--normalize speaker needs all recordings of a speaker at once, so it is for "
            "cross-validation; train with --normalize global"
        )
    if is_regression(options):
        data, y = load_numbers(options, folds=False)
        head, support = new_regressor(options, data), dict.fromkeys(options.targets, len(y))
    else:
        data = load(options, folds=False)
        head, y = new_head(options, data), data.truth
        support = dict(sorted(Counter(y.tolist()).items()))
    neural = HEADS[options.head].neural
    told = {"groups": data.speakers} if neural and data.speakers_known else {}
    with learning_from(len(y)):
        head.fit(data.X, y, **told)
    card = {
        "head": options.head,
        "parameters": head.get_params() if neural else {},
        "classes": list(data.classes),
        "target": options.target,
        "labels": options.labels,
        "features": data.features.as_json(),
        "recipe": data.recipe,
        "fingerprint": data.fingerprint,
        "encoder_location": data.encoder_location,
        "corpora": data.corpora,
        "support": support,
        "seed": options.seed,
    }
    return Model(head, data.features, card)


def check(folder: Path) -> None:
    """See that a model may be written to `folder`: a new or empty one, or that of a model.

    Raises:
        UsageError: it is a file, or a folder with something else in it.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: a file is there; name a folder for the model")
    known = {CARD, *FILES.values()}
    if folder.is_dir() and any(entry.name not in known for entry in folder.iterdir()):
        raise UsageError(
            f"{folder}: something other than a model is in there; name a new or empty folder"
        )


def _read_card(folder: Path) -> dict[str, Any]:
    """``model.json``, verified."""
    try:
        card = json.loads((folder / CARD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"{folder}: no {CARD} in it; make a model with 'python -m classify train -o {folder}'"
        ) from None
    except ValueError:
        raise ModelError(f"{folder / CARD}: not JSON; train again") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(f"{folder / CARD}: not the card of a model")
    if card.get("version") != VERSION:
        raise ModelError(
            f"{folder / CARD}: version {card.get('version')}, this program reads {VERSION}"
        )
    for name, kind in SCHEMA.items():
        if name not in card or not isinstance(card[name], kind):
            raise ModelError(f"{folder / CARD}: {name} is missing or malformed; train again")
    sealed = {name: value for name, value in card.items() if name != "sha256"}
    if recipes.fingerprint(sealed) != card.get("sha256") or card["head"] not in HEADS:
        raise ModelError(f"{folder / CARD}: altered since it was trained; train again")
    return card


def _dump(head: Any, neural: bool) -> bytes:
    if not neural:
        return skops.io.dumps(head)
    from safetensors.torch import save

    return save({name: tensor.contiguous() for name, tensor in head.tensors().items()})


def _loaded(content: bytes) -> Any:
    from classify.heads.trees import check_trees

    head = skops.io.loads(content, TRUSTED)
    check_trees(head)
    return head


def _restore(card: Mapping[str, Any], content: bytes) -> Any:
    from safetensors.torch import load

    make = build if card["classes"] else build_regressor
    return make(card["head"], card["parameters"]).restore(card["classes"], load(content))
