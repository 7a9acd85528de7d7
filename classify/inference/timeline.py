"""Emotion over time: predictions of sliding windows, and their segments, as CSV and RTTM."""

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import numpy.typing as npt

from data import spreadsheet

SILENCE = "silence"  # label of windows without speech

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """Merged neighbouring windows of one emotion."""

    start: float  # seconds into the recording
    end: float
    emotion: str  # or `SILENCE`
    probability: float  # of the emotion, mean over the windows; NaN of silence


@dataclass(frozen=True)
class Timeline:
    """Probabilities per window and class, or numbers per window and target.

    Attributes:
        starts: (window,) seconds into the recording, ascending.
        ends: (window,) seconds; windows may overlap.
        probabilities: (window, class), a row of NaN where a window is silent.
        classes: what the columns are; of a regression its targets.
        regression: whether the columns are numbers and no probabilities.
        peaks: (10 ms, 2) lowest and highest sample of the waveform, for figures.
    """

    starts: Array
    ends: Array
    probabilities: Array
    classes: Sequence[str]
    regression: bool = False
    peaks: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 2), np.float32))

    @property
    def silent(self) -> npt.NDArray[np.bool_]:
        """(window,) whether there is no speech."""
        return np.asarray(np.isnan(self.probabilities).any(axis=1))

    @property
    def emotions(self) -> list[str]:
        """The most probable class of each window, or `SILENCE`."""
        best = np.nan_to_num(self.probabilities, nan=-1.0).argmax(axis=1)
        names = [self.classes[k] for k in best]
        return [SILENCE if quiet else name for quiet, name in zip(self.silent, names, strict=True)]

    @property
    def bounds(self) -> Array:
        """(window + 1,) borders of the segments in seconds.

        If windows overlap, the border is halfway between their centres.
        """
        centres = (self.starts + self.ends) / 2
        between = (centres[:-1] + centres[1:]) / 2
        return np.concatenate([self.starts[:1], between, self.ends[-1:]])

    def segments(self) -> list[Segment]:
        """Neighbouring windows of one emotion merged: from border to border, without a gap.

        None of a regression, whose windows have no emotion.
        """
        if self.regression:
            return []
        found: list[Segment] = []
        rows: Iterable[tuple[int, str]] = enumerate(self.emotions)
        for emotion, group in groupby(rows, key=lambda row: row[1]):
            members = [number for number, _ in group]
            share = float("nan")
            if emotion != SILENCE:
                share = float(self.probabilities[members, self.classes.index(emotion)].mean())
            start, end = self.bounds[members[0]], self.bounds[members[-1] + 1]
            found.append(Segment(float(start), float(end), emotion, share))
        return found


def clock(seconds: float) -> str:
    """Seconds as a clock shows them.

    >>> clock(7.5), clock(75), clock(3675)
    ('0:07.5', '1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{rest:06.3f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02}:{tail}" if hours else f"{minutes}:{tail}"


def as_csv(timeline: Timeline) -> str:
    """A line per window: start and end in seconds, emotion, a probability per class; of a
    regression a number per target. Numbers are left out where there is no speech."""
    emotion = [] if timeline.regression else ["emotion"]
    rows = [["start", "end", *emotion, *timeline.classes]]
    windows = zip(
        timeline.starts, timeline.ends, timeline.emotions, timeline.probabilities, strict=True
    )
    for start, end, label, shares in windows:
        cells = ["" if math.isnan(share) else f"{share:.6f}" for share in shares]
        rows.append([f"{start:.3f}", f"{end:.3f}", *([label] if emotion else []), *cells])
    text = io.StringIO()
    spreadsheet.write(text, rows)
    return text.getvalue()


def as_rttm(timeline: Timeline, name: str) -> str:
    """A line per segment, in the ten fields of NIST's Rich Transcription Time Marked format
    (RT-09, appendix A): the emotion in place of the speaker, its probability as confidence."""
    recording = re.sub(r"\s", "_", name)
    lines = []
    for segment in timeline.segments():
        share = "<NA>" if math.isnan(segment.probability) else f"{segment.probability:.3f}"
        emotion = re.sub(r"\s", "_", segment.emotion)
        time = f"{segment.start:.3f} {segment.end - segment.start:.3f}"
        lines.append(f"SPEAKER {recording} 1 {time} <NA> <NA> {emotion} {share} <NA>\n")
    return "".join(lines)
