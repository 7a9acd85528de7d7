"""Predict audio with a trained head and its encoder."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from classify.inference.timeline import SILENCE, Timeline
from classify.models.ranges import warnings as outside
from classify.models.trained import TrainedHead
from data.utterance import Utterance
from extract.audio import Waveform
from extract.decoding import Decoded, Refusal
from extract.embedder import Embedder, Embedding
from extract.sliding import Silence, Sliding, Track, slide


@dataclass(frozen=True)
class Answer:
    """The prediction for one utterance; all numbers are NaN for a silent window."""

    utterance: Utterance
    probabilities: dict[str, float]  # class → probability, in the order of the classes
    numbers: dict[str, float] = field(default_factory=dict)  # of a regression: target → number
    out_of_domain: float = math.nan  # above 1: out of domain; NaN: the model has no such score
    warnings: dict[str, str] = field(default_factory=dict)  # what lies outside of training → text
    refused: ClassVar[bool] = False  # True of a `Refusal`

    @property
    def place(self) -> dict[str, Any]:
        """The recording, and the seconds of a segment."""
        place = {"file": name_of(self.utterance)}
        seconds = {"start": self.utterance.start, "end": self.utterance.end}
        return place | {name: value for name, value in seconds.items() if value is not None}

    @property
    def values(self) -> dict[str, float]:
        """The numbers, or the probabilities."""
        return self.numbers or self.probabilities

    @property
    def silent(self) -> bool:
        """Whether there is no speech."""
        return any(map(math.isnan, self.values.values()))

    @property
    def emotion(self) -> str:
        """The most probable class, or `SILENCE`."""
        if self.silent:
            return SILENCE
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def result(self) -> dict[str, Any]:
        """The numbers, or the emotion with its probabilities; None for NaN."""
        if self.numbers:
            return dict.fromkeys(self.numbers) if self.silent else self.numbers
        probabilities = None if self.silent else self.probabilities
        return {"emotion": self.emotion, "probabilities": probabilities}

    @property
    def outside(self) -> dict[str, Any]:
        """The out-of-domain score, if the model has one, and the warnings, if there are any."""
        score = self.out_of_domain
        found = {} if math.isnan(score) else {"out_of_domain": round(score, 4)}
        return found | ({"warnings": list(self.warnings.values())} if self.warnings else {})

    @property
    def cells(self) -> dict[str, str]:
        """The result as cells of a table: column → text."""
        emotion = {} if self.numbers else {"emotion": self.emotion}
        texts = {name: "" if self.silent else f"{share:.6f}" for name, share in self.values.items()}
        score = "" if math.isnan(self.out_of_domain) else f"{self.out_of_domain:.4f}"
        outside = {"out_of_domain": score, "warnings": "; ".join(self.warnings.values())}
        return {**outside, **emotion, **texts}  # a class may have the name of a column


def name_of(utterance: Utterance) -> str:
    """The path of a recording, or the id of an utterance without a corpus."""
    return str(utterance.file) if utterance.corpus else utterance.id


class Predictor:
    """Predict audio with the features that the head has in the cache. The encoder is loaded
    once."""

    def __init__(self, model: TrainedHead, embedder: Embedder) -> None:
        self.model = model
        self.embedder = embedder

    @classmethod
    def open(cls, model: TrainedHead, device: str = "auto", encoder: str | None = None) -> Self:
        """Load the encoder that the model's recipe names, from `encoder` or from where it was when
        the model was trained.

        Raises:
            EncoderError, RecipeMismatch: the model's encoder is not available.
        """
        place = encoder or model.card["encoder_location"]
        recipe = {name: value for name, value in model.recipe.items() if name != "baselines"}
        return cls(model, Embedder.from_recipe(recipe, device, place))

    def __call__(self, utterances: Sequence[Utterance]) -> Iterator[Answer | Refusal]:
        """Predict utterances in their order; a refusal takes the place of an answer."""
        return map(self._answer, self.embedder(utterances))

    def waveforms(self, waveforms: Iterable[Waveform]) -> Iterator[Answer | Refusal]:
        """Predict (sample,) waveforms at 16 kHz, which are not normalised."""
        return map(self._answer, self.embedder.waveforms(waveforms))

    def stream(self, items: Iterable[Decoded | Refusal]) -> Iterator[Answer | Refusal]:
        """Predict a stream of decoded utterances, in order; NaN for a `Silence`."""
        return map(self._answer, self.embedder.stream(items))

    def windows(
        self, tracks: Iterable[Track], sliding: Sliding
    ) -> Iterator[tuple[Track, Answer | Refusal]]:
        """Predict all windows of long recordings; yield recording and result, in order.

        A `Refusal` applies to the whole recording, even after predictions of its windows.
        """
        for track, result in slide(tracks, sliding, self.embedder):
            yield track, self._answer(result, whole=False)

    def collected(self, track: Track, answers: Sequence[Answer]) -> Timeline:
        """The timeline of the answers for all windows of a recording."""
        seconds = [(answer.utterance.start, answer.utterance.end) for answer in answers]
        starts, ends = np.array(seconds, float).T
        rows = [list(answer.values.values()) for answer in answers]
        names, regression = self.model.targets or self.model.classes, bool(self.model.targets)
        return Timeline(starts, ends, np.array(rows), names, regression, track.peaks)

    def waveform(self, waveform: Waveform) -> Answer | Refusal:
        """Predict a window of a stream, (sample,) at 16 kHz, without threads."""
        return self._answer(self.embedder.waveform(waveform), whole=False)

    def _answer(self, result: Embedding | Refusal, whole: bool = True) -> Answer | Refusal:
        model = self.model
        names = model.targets or model.classes
        values, score, warnings = [math.nan] * len(names), math.nan, {}
        if isinstance(result, Embedding):
            X = model.features.of_embedding(model.recipe, result.layers, result.sequence)
            values = model.of_features(X)[0].tolist()
            score = float(model.out_of_domain(X)[0])
            warnings = model.domain.warnings(score) if model.domain else {}
            if (ranges := model.card.get("ranges")) and result.quality:
                seconds = result.duration if whole else None  # the length of a window was chosen
                language = str(result.utterance.attributes.get("language") or "")
                warnings = outside(ranges, result.quality, seconds, language) | warnings
        elif not isinstance(result, Silence):
            return result
        found = dict(zip(names, values, strict=True))
        shares, numbers = ({}, found) if model.targets else (found, {})
        return Answer(result.utterance, shares, numbers, score, warnings)
