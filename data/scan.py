"""Count the utterances of a corpus, and report problems, before anything is embedded."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from data import containers, listing
from data.corpora import Corpus
from data.corpora.tree import CONTAINERS, tally
from data.emotions import to_shared
from data.recording import MAX_CHANNELS, RATES, SHORTEST
from data.utterance import Utterance

LIMITS = f"over {MAX_CHANNELS} channels, or not {RATES[0]} to {RATES[-1]} Hz"

Row = dict[str, str | float | None]


@dataclass(frozen=True)
class Header:
    """Format of a recording."""

    frames: int  # samples per channel
    rate: int  # Hz
    channels: int


@dataclass(frozen=True)
class Summary:
    """The counts of one corpus; the key None counts unknown values."""

    name: str
    kind: str
    title: str
    root: str
    utterances: int
    recordings: int
    published: int | None  # recordings of the whole corpus
    emotions: dict[str | None, int]  # native label → utterances
    shared: dict[str | None, str | None]  # native label → shared name
    speakers: dict[str | None, int]  # → utterances
    sexes: dict[str | None, int]  # → utterances
    languages: dict[str | None, int]  # ISO 639-1 code → utterances
    seconds: dict[str, float]  # total, mean, min, max over the utterances with a readable header
    sampling_rates: dict[int, int]  # Hz → recordings
    channels: dict[int, int]  # → recordings
    warnings: tuple[str, ...]


def read_headers(files: Iterable[Path], quiet: bool = False) -> dict[Path, Header | None]:
    """Read the header of each recording; None if it is not readable or not plausible."""
    from tqdm import tqdm

    unique = list(dict.fromkeys(files))
    with ThreadPoolExecutor(max_workers=8) as pool:
        headers = pool.map(_header, unique)
        bar = tqdm(headers, "headers", len(unique), leave=False, unit="file", disable=quiet or None)
        return dict(zip(unique, bar, strict=True))


def row(utterance: Utterance, header: Header | None) -> Row:
    """Convert an utterance to a flat row, with a path from the working directory."""
    here, path = os.getcwd() + os.sep, os.path.abspath(utterance.file)
    own: Row = {
        "id": utterance.id,
        "path": path.removeprefix(here),
        "corpus": utterance.corpus,
        "speaker": utterance.speaker,
        "emotion": utterance.emotion,
        "start": utterance.start,
        "end": utterance.end,
        "duration": None if header is None else round(_seconds(utterance, header), 6),
        "sampling_rate": None if header is None else header.rate,
        "channels": None if header is None else header.channels,
    }
    return own | {key: value for key, value in utterance.attributes.items() if key not in own}


def seconds(found: Sequence[Corpus], quiet: bool = False) -> dict[str, float]:
    """Lengths of utterances in seconds, by id.

    They come from a list of utterances or from the headers of the recordings. Utterances without
    a readable header are left out.
    """
    known = {key: length for corpus in found for key, length in corpus.seconds.items()}
    unknown = [u for corpus in found for u in corpus.utterances if u.id not in known]
    return known | _lengths(unknown, read_headers([utterance.file for utterance in unknown], quiet))


def summarise(corpus: Corpus, headers: dict[Path, Header | None]) -> Summary:
    """Count the utterances of a corpus."""
    utterances = corpus.utterances
    files = list(dict.fromkeys(u.file for u in utterances))
    readable = [header for file in files if (header := headers[file])]
    seconds = _lengths(utterances, headers).values()
    emotions = _counted(u.emotion for u in utterances)
    speakers = _counted(u.speaker for u in utterances)
    return Summary(
        name=corpus.name,
        kind=corpus.kind,
        title=corpus.title,
        root=str(corpus.root),
        utterances=len(utterances),
        recordings=len(files),
        published=corpus.published,
        emotions=emotions,
        shared={native: to_shared(corpus.name, native) for native in emotions},
        speakers=speakers,
        sexes=_counted(_attribute(u, "sex") for u in utterances),
        languages=_counted(_attribute(u, "language") for u in utterances),
        seconds={
            "total": round(sum(seconds), 3),
            "mean": round(sum(seconds) / max(len(seconds), 1), 3),
            "min": round(min(seconds, default=0.0), 3),
            "max": round(max(seconds, default=0.0), 3),
        },
        sampling_rates=dict(Counter(header.rate for header in readable).most_common()),
        channels=dict(Counter(header.channels for header in readable).most_common()),
        warnings=(*corpus.warnings, *_problems(corpus, headers, emotions, speakers)),
    )


def _problems(
    corpus: Corpus,
    headers: dict[Path, Header | None],
    emotions: dict[str | None, int],
    speakers: dict[str | None, int],
) -> list[str]:
    """Warnings about utterances that cannot be embedded or classified."""
    unreadable, empty, short, beyond, unsupported = [], [], [], [], []
    for utterance in corpus.utterances:
        header = headers[utterance.file]
        if header is None:
            unreadable.append(utterance.path)
        elif header.channels > MAX_CHANNELS or header.rate not in RATES:
            unsupported.append(utterance.path)
        elif header.frames == 0:
            empty.append(utterance.path)
        elif (utterance.end or utterance.start or 0) > header.frames / header.rate:
            beyond.append(utterance.id)
        elif _seconds(utterance, header) < SHORTEST:
            short.append(utterance.path)
    contained: list[str] = []
    if not containers.installed():
        contained = [path for path in unreadable if path.lower().endswith(CONTAINERS)]
        unreadable = [path for path in unreadable if path not in contained]
    warnings = [
        *tally(f"containers, which need {containers.INSTALL}", sorted(set(contained))),
        *tally("recordings that cannot be read as audio", sorted(set(unreadable))),
        *tally(f"recordings that extract refuses: {LIMITS}", sorted(set(unsupported))),
        *tally("recordings without samples", sorted(set(empty))),
        *tally(f"utterances shorter than {SHORTEST:g} s", short),
        *tally("segments that end beyond their recording", beyond),
    ]
    classes = [emotion for emotion in emotions if emotion is not None]
    if not classes:
        warnings.append("no emotions are known: embedding works, classifying does not")
    elif len(classes) == 1:
        warnings.append(f"only one emotion, {classes[0]}: a classifier needs two or more")
    if None in emotions and classes:
        warnings.append(f"utterances without an emotion: {emotions[None]}")
    if list(speakers) == [None]:
        warnings.append("no speakers are known: scores will not be speaker-independent")
    elif len(speakers) == 1:
        warnings.append("only one speaker: scores will not be speaker-independent")
    elif None in speakers:
        warnings.append(f"utterances without a speaker: {speakers[None]}")
    return warnings


def _header(file: Path) -> Header | None:
    import soundfile

    try:
        info = soundfile.info(str(file))
        header = Header(info.frames, info.samplerate, info.channels)
    except OSError:
        return None
    except soundfile.SoundFileError:
        if (found := containers.header(file)) is None:
            return None
        header = Header(*found)
    plausible = 0 <= header.frames < 2**40 and 1000 <= header.rate <= 768_000
    return header if plausible else None


def _seconds(utterance: Utterance, header: Header) -> float:
    """Length of an utterance; the end of a segment may exceed that of its recording."""
    whole = header.frames / header.rate
    end = whole if utterance.end is None else min(utterance.end, whole)
    return max(0.0, end - (utterance.start or 0.0))


def _lengths(
    utterances: Iterable[Utterance], headers: dict[Path, Header | None]
) -> dict[str, float]:
    return {u.id: _seconds(u, header) for u in utterances if (header := headers[u.file])}


def _attribute(utterance: Utterance, name: str) -> str | None:
    value = utterance.attributes.get(name)
    return None if value is None else str(value)


def _counted(values: Iterable[str | None]) -> dict[str | None, int]:
    """Count each value; sorted by value, None last."""
    counts = Counter(values)
    return {value: counts[value] for value in sorted(counts, key=lambda v: (v is None, v or ""))}


def write_list(path: Path, found: Sequence[Corpus], headers: dict[Path, Header | None]) -> int:
    """Write the utterances of corpora and their lengths to a list; return their number."""
    utterances = [utterance for corpus in found for utterance in corpus.utterances]
    lengths = _lengths(utterances, headers)
    return listing.write(path, ((u, lengths.get(u.id)) for u in utterances))
