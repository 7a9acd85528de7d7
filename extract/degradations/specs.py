"""Parse conditions such as ``noise:20:babble``, and sets of them."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from data.errors import UsageError
from extract.degradations.noise import GENERATED
from extract.degradations.registry import DEGRADATIONS, FOLDER

log = logging.getLogger("wav2emo")

LONGEST_NAME = 30  # characters of a folder

ROBUSER = (  # BehavioralSignalTechnologies/ser_robustness, config.yml; the middle of each range
    "noise:20:folder", "noise:10:folder", "noise:0:folder",
    "noise:30:white", "noise:20:white", "noise:10:white",
    "reverb:0.3", "reverb:0.75", "reverb:1.25", "mp3:32", "mp3:16", "mp3:8",
    "clip:0.2", "clip:0.4", "clip:0.6", "gain:-10", "gain:-20", "gain:-30",
)  # fmt: skip
SER_TESTS = ("noise:20:babble", "noise:20:folder", "noise:20:white", "telephone")
SMALL = (  # audEERING's ser-tests (arXiv 2312.06270), what should not change a prediction
    "noise:45:white", "noise:40:white", "noise:35:white", "gain:-2", "gain:-1", "gain:1", "gain:2",
    "highpass:50", "highpass:100", "highpass:150", "lowpass:7500", "lowpass:7000", "lowpass:6500",
    "crop:100", "crop:500", "crop:1000",
)  # fmt: skip
OTHERS = (
    "noise:20:pink", "gsm", "opus:32", "opus:16", "opus:8", "speed:0.9", "speed:1.1",
    "lowpass:4000", "highpass:300",
)  # fmt: skip
SETS = {
    "robuser": ROBUSER,
    "ser-tests": SER_TESTS,
    "small": SMALL,
    "all": (*ROBUSER, *SER_TESTS, *SMALL, *OTHERS),
}


@dataclass(frozen=True)
class Spec:
    """One condition, parsed."""

    degradation: str
    level: float = math.nan
    kind: str = ""

    @property
    def name(self) -> str:
        """The only name of the condition.

        >>> Spec("noise", 20.0, "white").name, Spec("telephone").name
        ('noise:20:white', 'telephone')
        """
        level = [] if math.isnan(self.level) else [f"{self.level:.6g}"]
        return ":".join([self.degradation, *level, *([self.kind] if self.kind else [])])

    @property
    def of_folder(self) -> bool:
        """Whether it adds recordings of a folder."""
        return self.degradation == "noise" and self.kind not in GENERATED

    @classmethod
    def of_name(cls, name: str) -> "Spec":
        """The inverse of `name`, without checks."""
        degradation, level, kind, *_ = (*name.split(":"), "", "")
        return cls(degradation, float(level or "nan"), kind)


def expand(texts: Sequence[str], folder: Path | None = None) -> list[Spec]:
    """Parse conditions and sets of them; each condition is listed once.

    Without a folder of noise, sets have babble in its place.

    Raises:
        UsageError: a text is not a condition, or needs a folder.
    """
    found: dict[Spec, None] = {}
    for text in texts:
        if text not in SETS:
            spec = parse(text, folder)
            if spec in found:
                log.warning("--degrade %s is there twice; it is computed once", text)
            found[spec] = None
            continue
        members = SETS[text]
        if folder is None and any(member.endswith(FOLDER) for member in members):
            log.info(
                "--degrade %s: background noise is babble of other speakers; --noise DIR adds "
                "recordings of noise or music", text,
            )  # fmt: skip
            members = tuple(member.replace(FOLDER, "babble") for member in members)
        found |= dict.fromkeys(parse(member, folder) for member in members)
    return list(found)


def parse(text: str, folder: Path | None = None) -> Spec:
    """Parse one condition.

    >>> parse("noise:20.0").name, parse("gain:+3").name, parse("noise:5", Path("/x/musan")).name
    ('noise:20:white', 'gain:3', 'noise:5:musan')

    Raises:
        UsageError: it is unknown, its level is impossible, or it needs a folder.
    """
    degradation, *rest = text.split(":")
    if degradation not in DEGRADATIONS:
        expected = ", ".join(map(form, DEGRADATIONS))
        raise UsageError(
            f"--degrade {text}: expected one of {expected}, or a set of them: {', '.join(SETS)}"
        )
    entry = DEGRADATIONS[degradation]
    if len(rest) > bool(entry.unit) + bool(entry.kinds) or (entry.unit and not rest):
        raise UsageError(f"--degrade {text}: expected {form(degradation)}")
    level = _level(text, rest[0]) if entry.unit else math.nan
    if entry.codec and entry.codec[1] not in soundfile.available_subtypes(entry.codec[0]):
        raise UsageError(
            f"--degrade {text}: libsndfile {soundfile.__libsndfile_version__} has no "
            f"{entry.codec[1]}; 'pip install -U soundfile' brings one that has"
        )
    if not entry.kinds:
        return Spec(degradation, level)
    own = None if folder is None else folder_name(folder)
    kind = rest[1] if len(rest) > 1 else (own or entry.kinds[0])
    if kind == FOLDER:
        if own is None:
            raise UsageError(f"--degrade {text} needs --noise DIR, a folder of recordings")
        kind = own
    if kind not in entry.kinds and kind != own:
        expected = "|".join((*entry.kinds, *([own] if own else [])))
        raise UsageError(f"--degrade {text}: got {kind!r}, expected {expected}")
    return Spec(degradation, level, kind)


def form(degradation: str) -> str:
    """How a condition is written.

    >>> form("noise"), form("telephone")
    ('noise:SNR[:white|pink|babble|folder]', 'telephone')
    """
    entry = DEGRADATIONS[degradation]
    unit = f":{entry.unit}" if entry.unit else ""
    kinds = f"[:{'|'.join(entry.kinds)}]" if entry.kinds else ""
    return degradation + unit + kinds


def folder_name(folder: Path) -> str:
    """The kind of noise that a folder is in the name of a condition.

    Raises:
        UsageError: a generated noise has this name.
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "_", folder.resolve().name)[:LONGEST_NAME] or "root"
    if name in GENERATED:
        raise UsageError(f"--noise {folder}: {name} is the name of a generated noise; rename it")
    return name


def limits(degradation: str) -> str:
    """The possible levels in words; "": there is none.

    >>> limits("opus"), limits("gsm")
    ('6 to 256', '')
    """
    entry = DEGRADATIONS[degradation]
    if entry.levels:
        return ", ".join(f"{level:g}" for level in entry.levels)
    return f"{entry.lowest:g} to {entry.highest:g}" if entry.unit else ""


def _level(text: str, written: str) -> float:
    degradation = text.partition(":")[0]
    entry = DEGRADATIONS[degradation]
    try:
        level = float(f"{float(written):.6g}") + 0.0  # as in the name; without -0
    except ValueError:
        level = math.nan
    possible = level in entry.levels if entry.levels else entry.lowest <= level <= entry.highest
    if entry.whole:
        possible = possible and level.is_integer() and level != 0
    if not possible:
        raise UsageError(
            f"--degrade {text}: got {written!r} for {entry.unit}, expected {limits(degradation)}"
            + (", whole and not 0" if entry.whole else "")
        )
    return level
