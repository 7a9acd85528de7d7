"""The output of a stream: a live line on terminals, JSON lines elsewhere, and a summary."""

import shutil
import sys
from collections import Counter

from classify.inference.stream.latency import Latencies
from classify.inference.stream.loop import Moment
from data.console import show_json
from data.text import escaped, several

BAR, NAME = 10, 11  # characters


class JSONLines:
    """Print one JSON object for each hop; see docs/streaming.md."""

    def __init__(self, numbers: bool) -> None:
        self._kind = "numbers" if numbers else "probabilities"
        self._classes = not numbers

    def show(self, moment: Moment) -> None:
        """Write a line."""
        line = {
            "time": moment.time,
            "voice": moment.activity.voice,
            "level": round(moment.activity.level, 1),
            "floor": round(moment.activity.floor, 1),
            **({"emotion": most_probable(moment)} if self._classes else {}),
            self._kind: _rounded(moment.values),
            "smoothed": _rounded(moment.smoothed),
            **({"refused": moment.refused} if moment.refused else {}),
            **moment.outside,
            "skipped": moment.skipped,
            "latency": round(moment.latency, 4),
        }
        show_json(line)

    def finish(self) -> None:
        """Do nothing."""


class LiveLine:
    """Update one line of a terminal."""

    def __init__(self, numbers: bool) -> None:
        self._numbers = numbers

    def show(self, moment: Moment) -> None:
        """Replace the text of the line."""
        room = shutil.get_terminal_size().columns - 1
        sys.stdout.write(f"\r{escaped(self._line(moment))[:room]}\x1b[K")  # noqa: TID251
        sys.stdout.flush()

    def finish(self) -> None:
        """Leave the last line where it is."""
        sys.stdout.write("\n")  # noqa: TID251

    def _line(self, moment: Moment) -> str:
        skipped = f"  {several(moment.skipped, 'hop')} skipped" if moment.skipped else ""
        end = (
            f"{'voice' if moment.activity.voice else 'no voice':8}  {moment.latency:.2f} s{skipped}"
        )
        outside = f"  ({', '.join(moment.warnings)})" if moment.warnings else ""
        return f"{moment.time:7.1f} s  {self._said(moment)}  {end}{outside}"

    def _said(self, moment: Moment) -> str:
        if moment.smoothed is None:
            return f"{'–':{NAME}} {'·' * BAR}{' ' * (NAME + 12)}"
        if self._numbers:
            return "  ".join(f"{name} {value:.2f}" for name, value in moment.smoothed.items())
        ranked = sorted(moment.smoothed.items(), key=lambda item: -item[1])
        (first, share), rest = ranked[0], ranked[1:2]
        bar = "█" * round(BAR * share)
        second = "".join(f"  {name:{NAME}} {value:.2f}" for name, value in rest)
        return f"{first:{NAME}} {bar:·<{BAR}} {share:.2f}{second}"


class Summary:
    """Counts and latencies of a stream."""

    def __init__(self) -> None:
        self.latencies = Latencies()
        self.moments = self.voiceless = self.skipped = self.refused = 0
        self.outside: Counter[str] = Counter()

    def add(self, moment: Moment, latency: float) -> None:
        """Count a moment whose answer came `latency` seconds after its last sample."""
        self.moments += 1
        self.skipped += moment.skipped
        self.refused += moment.refused is not None
        self.outside.update(moment.warnings)
        if moment.values is None and moment.refused is None:
            self.voiceless += 1
        else:
            self.latencies.add(latency)

    def words(self, seconds: float, lost: int, hop: float) -> str:
        """The summary as text, of `seconds` of audio; samples were lost `lost` times."""
        answers = len(self.latencies)
        parts = [f"{seconds:.1f} s of audio, {several(answers, 'answer')}"]
        parts += [f"{several(self.voiceless, 'window')} without voice"] if self.voiceless else []
        parts += [f"{self.refused:,} refused"] if self.refused else []
        parts += [f"{several(self.skipped, 'hop')} skipped" if self.skipped else "no hop skipped"]
        parts += [f"samples lost {several(lost, 'time')} by the microphone"] if lost else []
        text = ", ".join(parts)
        if answers:
            median, high = (self.latencies.quantile(share) for share in (0.5, 0.95))
            text += (
                f"\nlatency: median {median:.3f} s, 95th percentile {high:.3f} s, largest "
                f"{self.latencies.largest:.3f} s"
            )
            if median > hop:
                text += (
                    f"; slower than a hop of {hop:g} s: this machine cannot keep up with live audio"
                )
        if self.outside:
            counts = ", ".join(f"{kind} {count}" for kind, count in self.outside.most_common())
            text += f"; windows outside of what the model was trained on: {counts}"
        return text


def most_probable(moment: Moment) -> str | None:
    """The most probable class after smoothing; None: there was no prediction lately."""
    smoothed = moment.smoothed
    return max(smoothed, key=smoothed.__getitem__) if smoothed else None


def _rounded(values: dict[str, float] | None) -> dict[str, float] | None:
    return values and {name: round(value, 6) for name, value in values.items()}
