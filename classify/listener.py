"""A trained head together with its encoder: audio goes in, answers come out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from classify.model import Model
from classify.timeline import Timeline
from data.errors import AudioError
from data.utterance import Utterance
from extract.audio import Waveform
from extract.decoding import Refusal
from extract.embed import Embedder, Embedding
from extract.sliding import Silence, Sliding, Track, slide


@dataclass(frozen=True)
class Answer:
    """What a model says about one utterance."""

    utterance: Utterance
    probabilities: dict[str, float]  # class → probability, in the order of the classes
    numbers: dict[str, float] = field(default_factory=dict)  # of a regression: target → number

    @property
    def place(self) -> dict[str, Any]:
        """The recording, and of a part of it its seconds."""
        place = {"file": name_of(self.utterance)}
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


def name_of(utterance: Utterance) -> str:
    """The recording's path; of what is of no corpus, its id."""
    return str(utterance.file) if utterance.corpus else utterance.id


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

    def windows(
        self, tracks: Iterable[Track], sliding: Sliding
    ) -> Iterator[tuple[Track, Answer | Refusal]]:
        """Answers for all windows of long recordings, each with its recording, in order.

        A `Silence` is said of one window, any other `Refusal` of the whole recording: what was
        answered for its earlier windows may stand.
        """
        for track, result in slide(tracks, sliding, self.embedder):
            yield track, self._answer(result)

    def timeline(self, utterance: Utterance, window: float = 3.0, hop: float = 1.0) -> Timeline:
        """What is felt when in one recording, of any length; `window` and `hop` in seconds.

        Raises:
            UsageError: window or hop make no sense.
            AudioError: the recording is refused.
        """
        track = Track(utterance)
        parts = [answer for _, answer in self.windows([track], Sliding(window, hop))]
        return self.collected(track, parts)

    def collected(self, track: Track, parts: Sequence[Answer | Refusal]) -> Timeline:
        """The timeline that the answers for all windows of a recording make.

        Raises:
            AudioError: the recording was refused.
        """
        names = self.model.targets or self.model.classes
        rows = np.full((len(parts), len(names)), np.nan)
        for row, part in zip(rows, parts, strict=True):
            if isinstance(part, Answer):
                row[:] = list((part.numbers or part.probabilities).values())
            elif not isinstance(part, Silence):
                raise AudioError(f"{name_of(track.utterance)}: {part.reason}")
        places = np.array([[part.utterance.start, part.utterance.end] for part in parts], float)
        starts, ends = places.T
        return Timeline(starts, ends, rows, names, bool(self.model.targets), track.peaks)

    def _answer(self, result: Embedding | Refusal) -> Answer | Refusal:
        if isinstance(result, Refusal):
            return result
        model, heard = self.model, (result.layers, result.sequence)
        if model.targets:
            numbers = zip(model.targets, model.numbers(*heard).tolist(), strict=True)
            return Answer(result.utterance, {}, dict(numbers))
        shares = zip(model.classes, model.probabilities(*heard).tolist(), strict=True)
        return Answer(result.utterance, dict(shares))
