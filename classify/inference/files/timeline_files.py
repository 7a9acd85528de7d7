"""A timeline in files: CSV of all windows, RTTM of the segments, PNG over the waveform."""

import io
import math
import re
from pathlib import Path

from classify.inference.timeline import Timeline
from classify.inference.timeline_figure import draw
from classify.report.style import as_bytes
from data import spreadsheet
from data.atomic import publish_bytes


def write(timeline: Timeline, folder: Path, name: str) -> list[Path]:
    """Write ``<name>.csv``, ``<name>.png`` and, unless it is of a regression, ``<name>.rttm``."""
    contents = {".csv": as_csv(timeline).encode(), ".png": as_bytes(draw(timeline))}
    if not timeline.regression:
        contents[".rttm"] = as_rttm(timeline, name).encode()
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}{suffix}" for suffix in contents]
    for file, content in zip(files, contents.values(), strict=True):
        publish_bytes(file, content)
    return files


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
