"""A trained head that predicts from audio: the model of the Python interface."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.inference.predictor import Answer, Predictor, name_of
from classify.inference.timeline import Timeline
from classify.models.trained import TrainedHead
from data.errors import AudioError, UsageError
from data.utterance import Utterance
from extract.audio import resample
from extract.decoding import Decoded, Refusal, ahead
from extract.sliding import Sliding, Track

Audio = str | Path | npt.NDArray[np.floating]  # a file, or (sample,) floats
_OPENING = threading.Lock()


class Model(TrainedHead):
    """A trained head together with its encoder.

    model = Model.load("MODEL")
    model.predict(["a.wav", "b.wav"])
    """

    def predictor(self, device: str = "auto", encoder: str | None = None) -> Predictor:
        """The predictor of this head; the encoder is loaded at the first call and kept.

        Raises:
            EncoderError, RecipeMismatch: the model's encoder is not available.
        """
        with _OPENING:
            opened = self.__dict__.setdefault("_predictors", {})
            if (device, encoder) not in opened:
                opened[device, encoder] = Predictor.open(self, device, encoder)
            return opened[device, encoder]

    def predict(
        self,
        recordings: Iterable[Audio],
        rate: int = 16_000,
        device: str = "auto",
        encoder: str | None = None,
    ) -> list[Answer | Refusal]:
        """Predict files and waveforms in memory, in order.

        The result of a refused recording is a `Refusal` with a `reason`; ``result.refused``
        distinguishes both. Threads may share a model. A pickled model does not contain the encoder.

        Args:
            recordings: paths, and (sample,) arrays of floats within ±1 at `rate` Hz, mono. The id
                of an array is its number among the recordings.
            rate: sampling rate of the arrays in Hz.
            device: auto, cpu, cuda[:N] or mps.
            encoder: folder of the encoder; None: the folder of the training.

        Raises:
            EncoderError, RecipeMismatch: the model's encoder is not available.
            UsageError: a single path or array; expected a list of them.
        """
        if isinstance(recordings, str | Path | np.ndarray):
            raise UsageError("predict() takes a list: of one recording, [recording]")
        predictor = self.predictor(device, encoder)

        def decoded(item: tuple[int, Audio]) -> Decoded | Refusal:
            utterance, recording = _utterance(*item), item[1]
            decode = predictor.embedder.decode
            try:
                if isinstance(recording, str | Path):
                    return decode(utterance)
                return decode(utterance, resample(recording, rate))
            except AudioError as error:
                return Refusal(utterance, str(error))

        return list(predictor.stream(ahead(decoded, enumerate(recordings))))

    def timeline(
        self,
        recording: Audio,
        window: float = 3.0,
        hop: float = 1.0,
        rate: int = 16_000,
        device: str = "auto",
        encoder: str | None = None,
    ) -> Timeline:
        """Emotion over time in one recording of any length, predicted in windows of `window`
        seconds, one every `hop` seconds; the rest as in `predict`.

        Raises:
            AudioError: the recording is refused.
            UsageError: window or hop is out of range.
        """
        blocks = None if isinstance(recording, str | Path) else [resample(recording, rate)]
        track = Track(_utterance(0, recording), blocks)
        predictor, answers = self.predictor(device, encoder), []
        for _, answer in predictor.windows([track], Sliding(window, hop)):
            if isinstance(answer, Refusal):
                raise AudioError(f"{name_of(track.utterance)}: {answer.reason}")
            answers.append(answer)
        return predictor.collected(track, answers)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_predictors"}


def _utterance(number: int, recording: Audio) -> Utterance:
    """An utterance for a file, named by its path, or for an array, named by its number."""
    if isinstance(recording, str | Path):
        path = Path(recording)
        return Utterance(str(recording), "", path.parent, path.name)
    return Utterance(str(number), "", Path(), "")
