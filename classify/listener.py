"""A trained head together with its encoder: audio goes in, answers come out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from classify.model import Model
from data.utterance import Utterance
from extract.audio import Waveform
from extract.decoding import Refusal
from extract.embed import Embedder, Embedding


@dataclass(frozen=True)
class Answer:
    """What a model says about one utterance."""

    utterance: Utterance
    probabilities: dict[str, float]  # class → probability, in the order of the classes
    numbers: dict[str, float] = field(default_factory=dict)  # of a regression: target → number

    @property
    def place(self) -> dict[str, Any]:
        """The recording, and of a part of it its seconds."""
        place = {"file": str(self.utterance.file)}
        seconds = {"start": self.utterance.start, "end": self.utterance.end}
        return place | {name: value for name, value in seconds.items() if value is not None}

    @property
    def emotion(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def said(self) -> dict[str, Any]:
        """The numbers, or the emotion with its probabilities."""
        return self.numbers or {"emotion": self.emotion, "probabilities": self.probabilities}

    @property
    def cells(self) -> dict[str, str]:
        """The same for a table: column → text."""
        shares = self.numbers or self.probabilities
        emotion = {} if self.numbers else {"emotion": self.emotion}
        return {**emotion, **{name: f"{share:.6f}" for name, share in shares.items()}}


class Listener:
    """Answers for audio, exactly as the head answers for the cache; the encoder is loaded once."""

    def __init__(self, model: Model, embedder: Embedder) -> None:
        self.model = model
        self.embedder = embedder

    @classmethod
    def open(cls, model: Model, device: str = "auto", encoder: str | None = None) -> Self:
        """Load the encoder that the model's recipe names, from `encoder` or from where it was when
        the model was trained.

        Raises:
            EncoderError, RecipeMismatch: the encoder that the model listens to cannot be had.
        """
        place = encoder or model.card["encoder_location"]
        return cls(model, Embedder.from_recipe(model.recipe, device, place))

    def __call__(self, utterances: Sequence[Utterance]) -> Iterator[Answer | Refusal]:
        """One answer per utterance, in their order, or the reason why there is none."""
        return map(self._answer, self.embedder(utterances))

    def waveforms(self, waveforms: Iterable[Waveform]) -> Iterator[Answer | Refusal]:
        """The same of (sample,) waveforms in memory: 16 kHz, mono, as recorded."""
        return map(self._answer, self.embedder.waveforms(waveforms))

    def waveform(self, waveform: Waveform) -> Answer | Refusal:
        """The same of one, at once."""
        return self._answer(self.embedder.waveform(waveform))

    def _answer(self, result: Embedding | Refusal) -> Answer | Refusal:
        if isinstance(result, Refusal):
            return result
        model, heard = self.model, (result.layers, result.sequence)
        if model.targets:
            numbers = zip(model.targets, model.numbers(*heard).tolist(), strict=True)
            return Answer(result.utterance, {}, dict(numbers))
        shares = zip(model.classes, model.probabilities(*heard).tolist(), strict=True)
        return Answer(result.utterance, dict(shares))
