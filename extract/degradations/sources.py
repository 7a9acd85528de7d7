"""Recordings that conditions add: utterances of other speakers, or a folder of noise."""

import hashlib
import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from data.condition import Noise
from data.errors import AudioError, UsageError
from data.scan import read_headers
from data.text import several
from data.utterance import Utterance
from extract import audio
from extract.degradations.noise import STRETCH, VOICES

log = logging.getLogger("wav2emo")

POOL = 64  # voices of a corpus, from which a babble is drawn
SHORTEST = 1.0  # seconds of a recording in a folder of noise
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".mp4", ".webm", ".aac")


@dataclass(frozen=True)
class Source:
    """Recordings, and all that identifies them and their contents."""

    noises: tuple[Noise, ...]
    identity: tuple[str, ...]


def voices(utterances: Sequence[Utterance]) -> Source:
    """At most `POOL` utterances of a corpus: one of each speaker, a second of each, and so on.

    SHA-256 of names decide, so that neither the order of utterances nor unreadable ones matter.

    Raises:
        UsageError: a speaker has less than `VOICES` readable recordings of others.
    """
    in_order = sorted(utterances, key=lambda u: (_hash(_voice_of(u)), _hash(u.id)))
    queues = deque(_readable(list(of)) for _, of in groupby(in_order, key=_voice_of))
    chosen: list[tuple[Noise, str]] = []
    while queues and len(chosen) < POOL:
        if found := next(queues[0], None):
            chosen.append(found)
            queues.rotate(-1)
        else:
            queues.popleft()
    noises = tuple(noise for noise, _ in chosen)
    for one in {_voice_of(u): u for u in utterances}.values():
        if (count := len(others(noises, one))) < VOICES:
            raise UsageError(
                f"{one.corpus}: babble needs {VOICES} readable recordings of other speakers than "
                f"{one.speaker or one.path}, found {count}; use white or pink noise, or --noise DIR"
            )
    return Source(noises, tuple(identity for _, identity in chosen))


def others(noises: Iterable[Noise], utterance: Utterance) -> tuple[Noise, ...]:
    """The noises that are not of the speaker of an utterance; unknown: of other recordings."""
    if utterance.speaker is None:
        return tuple(noise for noise in noises if noise.path != utterance.path)
    return tuple(noise for noise in noises if noise.speaker not in (None, utterance.speaker))


def folder(path: Path) -> Source:
    """The recordings of a folder, sorted by path; those that cannot be used are named in a line.

    Raises:
        UsageError: it is no folder, or has no recording that can be used.
    """
    if not path.is_dir():
        raise UsageError(f"--noise {path}: expected a folder of recordings")
    root = Path(os.path.abspath(path))
    files = sorted(
        Path(place, name).relative_to(root)
        for place, _, names in os.walk(root)
        for name in names
        if name.lower().endswith(SUFFIXES)
    )
    headers = read_headers([root / file for file in files], quiet=True)

    def look(file: Path) -> tuple[Noise, str] | str:
        header = headers[root / file]
        if header is None:
            return "unreadable"
        seconds = header.frames / header.rate
        if seconds < SHORTEST:
            return f"shorter than {SHORTEST:g} s"
        try:
            next(audio.stream(root / file, 0.0, SHORTEST))
            identity = f"{file.as_posix()} {audio.checksum(root / file)}"
        except (AudioError, OSError):
            return "unreadable"
        return Noise(root, file.as_posix(), start=0.0, end=seconds), identity

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(look, files))
    usable = [one for one in found if not isinstance(one, str)]
    for reason in sorted({one for one in found if isinstance(one, str)}):
        named = [str(file) for file, one in zip(files, found, strict=True) if one == reason]
        examples = ", ".join(named[:3]) + ", …" * (len(named) > 3)
        log.warning("--noise %s: %s %s: %s", path, several(len(named), "file"), reason, examples)
    if not usable:
        raise UsageError(
            f"--noise {path}: none of {several(len(files), 'recording')} can be used; expected "
            f"recordings of {SHORTEST:g} s or more"
        )
    return Source(tuple(noise for noise, _ in usable), tuple(sorted(i for _, i in usable)))


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _voice_of(utterance: Utterance) -> str:
    return f"/{utterance.path}" if utterance.speaker is None else utterance.speaker


def _readable(utterances: Iterable[Utterance]) -> Iterator[tuple[Noise, str]]:
    """The utterances that can be read, at most `STRETCH` of each, and what identifies them.

    The others are refused, or reported as missing, when they are embedded.
    """
    for utterance in utterances:
        start, end = utterance.start, utterance.end
        try:
            recording = audio.read(utterance.file, start, end)
        except (AudioError, OSError):
            continue
        if recording.seconds > STRETCH:
            end = (start or 0.0) + STRETCH
        root, sha256 = Path(os.path.abspath(utterance.root)), recording.sha256
        noise = Noise(root, utterance.path, utterance.speaker, start, end)
        yield noise, f"{utterance.id} {utterance.speaker} {start} {end} {sha256}"
