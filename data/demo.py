"""A small corpus of synthetic emotional speech."""

import io
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from data import spreadsheet
from data.errors import UsageError

TABLE = "demo.csv"
COLUMNS = ("file", "emotion", "speaker", "sex", "sentence")


def write(root: Path, seed: int = 0) -> tuple[int, float]:
    """Write ``root/wav/<speaker>_<emotion>_<sentence>.wav`` and, last, the table of them all.

    A demo corpus that is there already is made anew; the same seed gives the same bytes.

    Returns:
        The number of recordings and their seconds together.

    Raises:
        UsageError: `root` holds something else, or the seed is negative.
    """
    from scipy.io import wavfile

    from data.expression import EMOTIONS, SENTENCES, SPEAKERS, speak
    from data.synthesis import RATE

    if seed < 0:
        raise UsageError(f"--seed {seed}: expected 0 or a positive integer")
    recordings = {
        f"wav/{speaker.name}_{emotion}_{sentence}.wav": (speaker, emotion, sentence)
        for speaker, emotion, sentence in product(SPEAKERS, EMOTIONS, SENTENCES)
    }
    _refuse_other_content(root, recordings)
    (root / "wav").mkdir(parents=True, exist_ok=True)
    rows: list[Sequence[str]] = [COLUMNS]
    samples = 0
    for file, (speaker, emotion, sentence) in recordings.items():
        speech = speak(speaker, emotion, sentence, seed)
        wavfile.write(root / file, RATE, speech)
        rows.append((file, emotion, speaker.name, speaker.sex, sentence))
        samples += len(speech)
    table = io.StringIO()
    spreadsheet.write(table, rows)
    (root / TABLE).write_text(table.getvalue(), encoding="utf-8")
    return len(recordings), samples / RATE


def _refuse_other_content(root: Path, recordings: Iterable[str]) -> None:
    """Let pass a new or empty folder and a demo corpus, whole or left behind half made."""
    if not root.exists():
        return
    if not root.is_dir():
        raise UsageError(f"{root} is a file; name a new folder for the demo corpus")
    if (root / TABLE).is_file():
        with open(root / TABLE, encoding="utf-8", errors="replace") as table:
            foreign = None if table.readline().strip() == ",".join(COLUMNS) else root / TABLE
    else:
        ours = {root / file for file in recordings}
        foreign = next((p for p in root.rglob("*") if not p.is_dir() and p not in ours), None)
    if foreign:
        raise UsageError(
            f"{root} holds something else than a demo corpus ({foreign.relative_to(root)}); "
            "name a new folder"
        )
