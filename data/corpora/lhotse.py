"""Cuts of lhotse: JSON lines, ``cuts.jsonl`` or ``cuts.jsonl.gz``, or a folder with one such file.

Each supervision of a cut is an utterance, and a cut without supervisions is one. Emotions are the
``custom`` field ``emotion`` of a supervision or cut. Only whole recordings in files are read: no
URLs, no commands, no transforms, no single channels.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.corpora import rows
from data.corpora.rows import PREFIX, Row
from data.corpora.tree import LISTS, Found, Tree, tally
from data.errors import CorpusError
from data.utterance import Utterance

TITLE = "lhotse cuts"
SIZE = None
ORIGIN = "https://lhotse.readthedocs.io/"
CITATION = "Żelasko et al., lhotse"
LABELS: Mapping[str, str | None] = {}  # English words, see `data.emotions`

FORMAT = "lhotse cuts"
FILE = "cuts.jsonl.gz"
CUTS = ("MonoCut", "MultiCut", "Cut")
OTHERS = ("MixedCut", "PaddingCut")
SAME = 1e-3  # seconds: a cut as long as its recording is the whole recording


def recognise(tree: Tree) -> bool:
    """Whether the root is a file of cuts, or a folder with one."""
    return len(_files(tree)) == 1


def is_cuts(path: Path) -> bool:
    """Whether the first line of a file is a cut."""
    try:
        first = next(rows.json_lines(path, FORMAT), {})
    except CorpusError:
        return False
    return first.get("type") in CUTS + OTHERS


def read(tree: Tree) -> Found:
    """Read utterances and warnings.

    Raises:
        CorpusError: there is not exactly one file of cuts, or it has no valid cut.
    """
    files = _files(tree)
    if len(files) != 1:
        raise CorpusError(f"{tree.root}: {len(files)} files of lhotse cuts; expected one")
    path = tree.root / files[0]
    refused: list[str] = []
    listed = (row for cut in rows.json_lines(path, FORMAT) for row in _utterances_of(cut, refused))
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    try:
        found, warnings = rows.utterances(path, name, path.parent, listed, tree.follow_links)
    except CorpusError as error:
        raise CorpusError("; ".join([str(error), *_left_out(refused)])) from None
    return found, _left_out(refused) + warnings


def _left_out(refused: Sequence[str]) -> list[str]:
    return tally("cuts that are not stretches of whole recordings in files, left out", refused)


def _files(tree: Tree) -> list[str]:
    lists = [p for p in tree.others if p.lower().endswith(LISTS) and "/" not in p]
    return [path for path in lists if is_cuts(tree.root / path)]


def _utterances_of(cut: dict[str, Any], refused: list[str]) -> Iterator[Row]:
    """Yield rows of `data.corpora.rows`."""
    try:
        found = list(_rows(cut))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        refused.append(str(cut.get("id")))
    else:
        yield from found


def _rows(cut: dict[str, Any]) -> Iterator[Row]:
    recording = cut["recording"]
    (source,) = recording["sources"]
    channel = cut.get("channel", 0)
    channels = [channel] if isinstance(channel, int) else channel
    if source["type"] != "file" or recording.get("transforms") or cut["type"] not in CUTS:
        raise ValueError
    if sorted(channels) != sorted(source["channels"]):
        raise ValueError
    for supervision in cut.get("supervisions") or [None]:
        start, duration = float(cut["start"]), float(cut["duration"])
        row: Row = {}
        customs = [cut.get("custom")]
        if supervision:
            if abs(supervision["duration"] - duration) >= SAME or supervision["start"]:
                start, duration = start + supervision["start"], float(supervision["duration"])
            names = ("speaker", "language", "gender", "text")
            row = {n: str(supervision[n]) for n in names if supervision.get(n) is not None}
            customs.append(supervision.get("custom"))
        for custom in customs:
            given = (custom or {}).items()
            row |= {k: rows.plain(v) for k, v in given if isinstance(v, str | int | float)}
        if PREFIX + "id" in row:
            kept = (supervision or {}).get("custom") or {}
            row = {k: v for k, v in row.items() if k == "speaker" or k in kept}
        elif start or abs(duration - recording["duration"]) >= SAME:
            row |= {"start": start, "end": round(start + duration, 9)}
        yield rows.renamed(row | {"file": source["source"]})


def write(
    folder: Path,
    utterances: Sequence[Utterance],
    files: Sequence[str],
    formats: Sequence[tuple[int, int, int]],
) -> None:
    """Write cuts, one for each utterance, to `FILE` in a folder.

    Args:
        folder: an empty folder.
        utterances: what to write.
        files: path of the recording of each, absolute or relative to `folder`.
        formats: samples in a channel, rate in Hz and number of channels of each recording.
    """
    columns = rows.columns(utterances)
    with gzip.open(folder / FILE, "wt", encoding="utf-8") as out:
        for k, (utterance, file) in enumerate(zip(utterances, files, strict=True)):
            own = {name: values[k] for name, values in columns.items() if values[k] is not None}
            out.write(json.dumps(_cut(utterance, file, formats[k], own), ensure_ascii=False) + "\n")


def _cut(
    utterance: Utterance, file: str, format: tuple[int, int, int], own: Mapping[str, Any]
) -> dict[str, Any]:
    samples, rate, channels = format
    start = utterance.start or 0.0
    duration = round((samples / rate if utterance.end is None else utterance.end) - start, 8)
    channel: int | list[int] = 0 if channels == 1 else list(range(channels))
    described = (("speaker", "speaker"), ("language", "language"), ("gender", "sex"))
    texts = {name: str(own[column]) for name, column in described if column in own}
    return {
        "id": utterance.id,
        "start": start,
        "duration": duration,
        "channel": channel,
        "supervisions": [
            {
                "id": utterance.id,
                "recording_id": file,
                "start": 0.0,
                "duration": duration,
                "channel": channel,
                **texts,
                "custom": {name: value for name, value in own.items() if name != "speaker"},
            }
        ],
        "recording": {
            "id": file,
            "sources": [{"type": "file", "channels": list(range(channels)), "source": file}],
            "sampling_rate": rate,
            "num_samples": samples,
            "duration": samples / rate,
            "channel_ids": list(range(channels)),
        },
        "type": "MonoCut" if channels == 1 else "MultiCut",
    }
