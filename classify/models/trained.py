"""A trained head and its folder.

``model.json`` describes the head and its encoder; ``head.safetensors`` (linear and torch heads) or
``head.skops`` (other heads of scikit-learn) holds what it learned; ``domain.safetensors`` the
distribution of its training utterances (`classify.models.domain`); ``README.md`` is the model card.
Nothing in the folder can run code when it is loaded: `classify.heads.storage`,
`classify.models.schema`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from classify.features import Features
from classify.heads import build, build_regressor, scores, storage
from classify.heads.probabilities import probabilities
from classify.models import schema as model_schema
from classify.models.calibration import tempered
from classify.models.domain import FALSE_ALARMS, Domain, summarised, width
from classify.models.folder import CARD, DOMAIN, FILES, README, check, checksum, read, read_card
from data.atomic import publish_bytes, remove_stale
from data.cache.recipe import in_words
from data.errors import ModelError
from data.options import names_in


@dataclass(frozen=True)
class TrainedHead:
    """A fitted head with features, recipe and calibration."""

    head: Any  # a fitted classifier with scikit-learn's interface, or a regressor
    features: Features
    card: Mapping[str, Any]  # what ``model.json`` holds, see `classify.models.schema`
    domain: Domain | None = None  # None: there is no out-of-domain score

    @property
    def classes(self) -> list[str]:
        """The classes, sorted, as the columns of the probabilities; empty for a regression."""
        return list(self.card["classes"])

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of a regression; empty for classes."""
        return () if self.classes else names_in(self.card["target"])

    @property
    def temperature(self) -> float:
        """Divisor of the logarithms of the head's probabilities; 1: not calibrated."""
        return float(self.card["temperature"])

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe of the head's encoder."""
        return dict(self.card["recipe"])

    @property
    def encoder(self) -> str:
        """Name of the encoder, whether it is a control, precision and engine, for tables."""
        return in_words(self.recipe)

    def of_features(self, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(utterance, class) calibrated probabilities, or (utterance, target) numbers.

        Args:
            X: (utterance, step · dim), as `features` reads them from a cache or from new audio.
        """
        if self.targets:
            return self.head.predict(X).reshape(len(X), -1)
        return tempered(probabilities(self.head, X), self.temperature)

    def out_of_domain(self, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(utterance,) out-of-domain scores of features as of `of_features`; NaN without one."""
        if self.domain is None:
            return np.full(len(X), np.nan)
        return self.domain.score(summarised(X, self.features, self.card["dim"]))

    def save(self, folder: Path) -> None:
        """Write the model's folder, over an older model if one is there.

        ``model.json`` is removed first and written last, so an interrupted save leaves no model.

        Raises:
            UsageError: the folder contains other files.
            OSError: the disk is full or fails.
        """
        from classify.models import card as model_card  # late: imports jinja2

        check(folder)
        contents = dict([storage.dumps(self.head)])
        card = {
            "format": model_schema.FORMAT,
            "version": model_schema.VERSION,
            **self.card,
            "head_sha256": checksum(*contents.values()),
        }
        if self.domain is not None:
            contents[DOMAIN] = safetensors.numpy.save(self.domain.tensors())
            card["domain"] = {
                "threshold": self.domain.threshold,
                "false_alarms": FALSE_ALARMS,
                "sha256": checksum(contents[DOMAIN]),
            }
        card["sha256"] = model_schema.seal(card)
        contents[README] = model_card.render(card).encode()
        if fault := model_schema.fault_of(card, model_schema.SCHEMA):
            raise model_schema.Malformed(fault)
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale(folder)
        (folder / CARD).unlink(missing_ok=True)
        for name, content in contents.items():
            publish_bytes(folder / name, content)
        for name in {DOMAIN, *FILES} - contents.keys():  # not before: one of them marks the folder
            (folder / name).unlink(missing_ok=True)
        text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        publish_bytes(folder / CARD, text.encode())

    @classmethod
    def load(cls, folder: str | Path, estimator: bool = False) -> Self:
        """Load a model from a folder, which need not be trusted.

        Args:
            folder: the folder.
            estimator: whether `head` has to be an estimator of scikit-learn's kind. Otherwise some
                heads only predict, and are loaded without importing scikit-learn and torch.

        Raises:
            ModelError: the model is missing, incomplete, altered, or of an unknown version, or its
                head does not fit the card.
        """
        folder = Path(folder)
        card = read_card(folder)
        name = next((name for name in FILES if (folder / name).exists()), FILES[0])
        file, classes, domain = folder / name, card["classes"], None
        content = read(file, storage.MOST_BYTES, card["head_sha256"])
        make = build if classes else build_regressor
        try:
            features = Features.from_json(card["features"])
            light = name == storage.SAFETENSORS and classes and not features.sequences
            unfitted = scores(card["head"]) if light and not estimator else None
            if unfitted is None:
                unfitted = make(card["head"], card["parameters"])
            head = storage.loads(name, content, unfitted, classes)
            cls(head, features, card)._require_fit()
            if described := card.get("domain"):
                file = folder / DOMAIN
                content = read(file, storage.MOST_BYTES, described["sha256"])
                tensors = safetensors.numpy.load(content)
                dim = width(features, card["dim"])
                domain = Domain.restore(tensors, described["threshold"], dim)
        except ModelError:
            raise
        except Exception as error:  # skops raises nearly everything on what it refuses
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(f"{file}: refused: {reason:.200}") from error
        return cls(head, features, card, domain)

    def _require_fit(self) -> None:
        """Require that the head takes the features and gives the outputs that the card describes.

        Raises:
            ValueError: the head does not fit.
        """
        head, features, classes = self.head, self.features, self.classes
        if classes and list(head.classes_) != classes:
            raise ValueError(f"its classes are not those of {CARD}")
        width = features.width(self.card["dim"])
        moments = head.steps if features.sequences else 1
        if head.n_features_in_ != width * moments:
            raise ValueError(
                f"it takes {head.n_features_in_} features, and {CARD} says {width * moments}"
            )
        found = self.of_features(np.zeros((1, width), np.float32))
        expected = (1, len(classes or self.targets))
        if found.shape != expected or not np.isfinite(found).all():
            raise ValueError(f"its output is not {expected[1]} finite numbers")
