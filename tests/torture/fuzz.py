"""Mutated recordings and caches: what comes of each, in how much time and memory.

Run as a script on files, prints one line of JSON: the reader's process is the one that may die.

    python fuzz.py audio FILE… | python fuzz.py cache FILE…
"""

import io
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from standin import peak_megabytes

from data import Cache
from data.cache.verify import problems
from data.errors import AudioError, CacheError
from extract import audio

FORMATS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3"}
HEADER = 200  # bytes; half of the mutations are there


def recordings() -> dict[str, bytes]:
    """One sound recording of each format."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 12_000).astype(np.float32)
    made = {}
    for extension, name in FORMATS.items():
        file = io.BytesIO()
        soundfile.write(file, noise, 16_000, format=name)
        made[extension] = file.getvalue()
    return made


def mutate(content: bytes, chance: random.Random) -> bytes:
    """Flip bits, overwrite, cut, repeat or insert, mostly in the header."""
    mutated = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        end = min(HEADER, len(mutated)) if chance.random() < 0.5 else len(mutated)
        place = chance.randrange(max(1, end))
        kind = chance.randrange(6)
        if kind == 0:
            mutated[place : place + 1] = bytes([mutated[place] ^ 1 << chance.randrange(8)])
        elif kind == 1:
            mutated[place : place + 4] = chance.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80")
            )
        elif kind == 2:
            mutated[place : place + 2] = chance.randbytes(2)
        elif kind == 3:
            del mutated[place : place + chance.randrange(1, 64)]
        elif kind == 4:
            mutated[place:place] = chance.randbytes(chance.randrange(1, 64))
        else:
            del mutated[chance.randrange(len(mutated)) :]
        if not mutated:
            return b""
    return bytes(mutated)


def read_audio(path: Path) -> str:
    """``read``, or the reason of the refusal."""
    try:
        audio.read(path, max_seconds=60.0)
    except AudioError as error:
        return str(error)
    return "read"


def read_cache(path: Path) -> str:
    """``clean``, or what is wrong with the file."""
    try:
        with Cache(path) as cache:
            for layer in cache.layers:
                cache.layer(layer)
            _ = cache.utterances
            return next(problems(cache), "clean")
    except CacheError as error:
        return str(error)


def main() -> None:
    read = {"audio": read_audio, "cache": read_cache}[sys.argv[1]]
    outcomes: dict[str, int] = {}
    slowest = 0.0
    for name in sys.argv[2:]:
        began = time.monotonic()
        outcome = read(Path(name))
        slowest = max(slowest, time.monotonic() - began)
        if not outcome:
            raise SystemExit(f"{name}: refused without a reason")
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(json.dumps({"outcomes": outcomes, "slowest": slowest, "megabytes": peak_megabytes()}))


if __name__ == "__main__":
    main()
