"""The output of a stream: a live line on terminals, JSON lines elsewhere, and a summary."""

import shutil
import sys
from collections import Counter, deque

import numpy as np

from classify.inference.stream.loop import Moment
from data.console import show_json
from data.text import escaped, several

BAR, NAME = 10, 11  # characters
KEPT = 100_000  # latencies, the latest ones, so that memory is bounded


def json_line(moment: Moment, numbers: bool) -> None:
    """Print one JSON object; see docs/streaming.md.

    Args:
        moment: of a hop.
        numbers: whether the model predicts numbers and no classes.
    """
    smoothed, answer = moment.smoothed, moment.answer
    best = max(smoothed, key=smoothed.__getitem__) if smoothed else None
    line = {
        "time": moment.time,
        "voice": moment.activity.voice,
        "level": round(moment.activity.level, 1),
        "floor": round(moment.activity.floor, 1),
        **({} if numbers else {"emotion": best}),
        "numbers" if numbers else "probabilities": _rounded(moment.values),
        "smoothed": _rounded(smoothed),
        **({"refused": moment.refused} if moment.refused else {}),
        **(answer.outside if answer else {}),
        "skipped": moment.skipped,
        "latency": round(moment.latency, 4),
    }
    show_json(line)


def _rounded(values: dict[str, float] | None) -> dict[str, float] | None:
    return values and {name: round(value, 6) for name, value in values.items()}


def live_line(moment: Moment, numbers: bool) -> None:
    """Replace the text of the last line of a terminal; arguments as of `json_line`."""
    skipped = f"  {several(moment.skipped, 'hop')} skipped" if moment.skipped else ""
    voice = "voice" if moment.activity.voice else "no voice"
    warnings = moment.answer.warnings if moment.answer else ()
    line = f"{moment.time:7.1f} s  {_smoothed(moment, numbers)}  {voice:8}  {moment.latency:.2f} s"
    line += skipped + (f"  ({', '.join(warnings)})" if warnings else "")
    room = shutil.get_terminal_size().columns - 1
    sys.stdout.write(f"\r{escaped(line)[:room]}\x1b[K")  # noqa: TID251
    sys.stdout.flush()


def _smoothed(moment: Moment, numbers: bool) -> str:
    """All numbers, or the two most probable classes and a bar."""
    if moment.smoothed is None:
        return f"{'–':{NAME}} {'·' * BAR}{' ' * (NAME + 12)}"
    if numbers:
        return "  ".join(f"{name} {value:.2f}" for name, value in moment.smoothed.items())
    ranked = sorted(moment.smoothed.items(), key=lambda item: -item[1])
    (first, share), rest = ranked[0], ranked[1:2]
    bar = "█" * round(BAR * share)
    second = "".join(f"  {name:{NAME}} {value:.2f}" for name, value in rest)
    return f"{first:{NAME}} {bar:·<{BAR}} {share:.2f}{second}"


class Summary:
    """Counts and latencies of a stream."""

    def __init__(self) -> None:
        self.moments = self.answers = self.voiceless = self.skipped = self.refused = 0
        self.latencies: deque[float] = deque(maxlen=KEPT)  # seconds
        self.longest = 0.0  # latency
        self.outside: Counter[str] = Counter()

    def add(self, moment: Moment, latency: float) -> None:
        """Count a moment whose answer came `latency` seconds after its last sample."""
        self.moments += 1
        self.skipped += moment.skipped
        if moment.result is None:
            self.voiceless += 1
            return
        self.refused += moment.refused is not None
        self.outside.update(moment.answer.warnings if moment.answer else ())
        self.answers += 1
        self.latencies.append(latency)
        self.longest = max(self.longest, latency)

    def words(self, seconds: float, lost: int, hop: float) -> str:
        """The summary as text, of `seconds` of audio; samples were lost `lost` times."""
        parts = [f"{seconds:.1f} s of audio, {several(self.answers, 'answer')}"]
        parts += [f"{several(self.voiceless, 'window')} without voice"] if self.voiceless else []
        parts += [f"{self.refused:,} refused"] if self.refused else []
        parts += [f"{several(self.skipped, 'hop')} skipped" if self.skipped else "no hop skipped"]
        parts += [f"samples lost {several(lost, 'time')} by the microphone"] if lost else []
        text = ", ".join(parts)
        if self.answers:
            median, high = np.quantile(self.latencies, (0.5, 0.95), method="inverted_cdf")
            text += (
                f"\nlatency: median {median:.3f} s, 95th percentile {high:.3f} s, largest "
                f"{self.longest:.3f} s"
            )
            if median > hop:
                text += (
                    f"; slower than a hop of {hop:g} s: this machine cannot keep up with live audio"
                )
        if self.outside:
            counts = ", ".join(f"{kind} {count}" for kind, count in self.outside.most_common())
            text += f"; windows outside of what the model was trained on: {counts}"
        return text
