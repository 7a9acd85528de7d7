"""A trained head that predicts from audio: the model of the Python interface."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from classify.inference.predictor import Answer, Audio, Predictor
from classify.inference.timeline import Timeline
from classify.models.trained import TrainedHead
from data.errors import UsageError
from extract.decoding import Refusal

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
            recordings: paths, and (sample,) arrays of floats within ±1 at `rate` Hz, mono.
            rate: sampling rate of the arrays in Hz.
            device: auto, cpu, cuda[:N] or mps.
            encoder: folder of the encoder; None: the folder of the training.

        Raises:
            EncoderError, RecipeMismatch: the model's encoder is not available.
            UsageError: a single path or array; expected a list of them.
        """
        if isinstance(recordings, str | Path | np.ndarray):
            raise UsageError("predict() takes a list: of one recording, [recording]")
        return list(self.predictor(device, encoder).predict(recordings, rate))

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
        return self.predictor(device, encoder).timeline(recording, window, hop, rate)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_predictors"}
