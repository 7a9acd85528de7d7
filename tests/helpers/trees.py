"""Small file trees of corpora."""

from pathlib import Path

import numpy as np
import soundfile

from data import corpora


def plant(root: Path, files: dict[str, str] | list[str]) -> Path:
    """Make small files below root, empty unless a text is given."""
    contents = files if isinstance(files, dict) else dict.fromkeys(files, "")
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def attributes(corpus: corpora.Corpus, id: str) -> dict[str, str | float]:
    return dict(next(u for u in corpus.utterances if u.id == id).attributes)


def sound(path: Path, seconds: float = 2.0, channels: int = 1, seed: int = 0) -> Path:
    """Write a recording of noise at 8 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(8_000 * seconds), channels))
    soundfile.write(path, noise, 8_000)
    return path
