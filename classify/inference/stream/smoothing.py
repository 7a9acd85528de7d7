"""Exponential smoothing of predictions at irregular times."""

from collections.abc import Mapping

FORGOTTEN = 5  # half-lives without an answer, after which none is held any more


class Smoothing:
    """The mean of all answers so far, weighted by age:

        smoothed(t) = Σ w(t − tᵢ) · answerᵢ / Σ w(t − tᵢ),    w(age) = 2^(−age / half-life)

    With a prediction at every hop, it is an exponential moving average with bias correction (Kingma
    & Ba 2015, section 3): the first smoothed value is the first prediction. Without predictions,
    the mean keeps its value while its weight decays, so that the next predictions replace it
    faster. After 5 half-lives there is no value.
    """

    def __init__(self, half_life: float) -> None:
        self.half_life = half_life  # seconds; 0: the answer itself
        self._sums: dict[str, float] = {}
        self._weight = 0.0
        self._time = 0.0  # that sums and weight are of
        self._answered = 0.0  # the last answer's

    def __call__(self, time: float, answer: Mapping[str, float] | None) -> dict[str, float] | None:
        """The smoothed prediction at `time` seconds, or None.

        Args:
            time: not before that of the call before.
            answer: of that time; None: the window has no speech.
        """
        if answer is None and time - self._answered > FORGOTTEN * self.half_life:
            self._weight = 0.0
        decay = (
            2 ** ((self._time - time) / self.half_life) if self.half_life and self._weight else 0
        )
        self._time = time
        self._weight *= decay
        self._sums = {name: value * decay for name, value in self._sums.items()}
        if answer is not None:
            self._answered = time
            self._weight += 1
            self._sums = {name: self._sums.get(name, 0.0) + value for name, value in answer.items()}
        if not self._weight:
            return None
        return {name: value / self._weight for name, value in self._sums.items()}
