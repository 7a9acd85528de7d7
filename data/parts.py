"""The shards of a cache that is being made, and how they become the cache.

``<cache>.parts/`` holds immutable shards with the cache's own schema and ``recipe.json``, the claim
that keeps two recipes from mixing. A run that is stopped leaves its shards; the next run finds what
they hold. When nothing is missing, everything is packed into the cache, and the shards go. Several
processes may do this to one cache at the same time.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from data.cache_file import CacheFile, files_in, parts_folder, require_sound
from data.errors import CacheError, RecipeMismatch
from data.publish import publish_bytes, remove_stale, sync_folder
from data.recipe import Recipe, canonical, differences
from data.utterance import Utterance
from data.writer import is_current, merge, write_cache

log = logging.getLogger("wav2emo")

CLAIM = "recipe.json"
LOCK = "lock"
DAMAGED = ".damaged"


class Parts:
    """What there is of a cache: the packed file, if any, and its shards."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.folder = parts_folder(cache)
        self._claim: int | None = None

    def recipe(self) -> Recipe | None:
        """The recipe that the cache is made by; None if there is no such cache yet."""
        if self.cache.exists():
            return CacheFile(self.cache).recipe
        with contextlib.suppress(FileNotFoundError):
            return json.loads((self.folder / CLAIM).read_bytes())
        return None

    def claim(self, recipe: Recipe) -> None:
        """Reserve the cache for `recipe` as long as this process lives, before anything is
        computed. Any number of processes may hold the same recipe's claim. `clean` gives it up.

        Raises:
            RecipeMismatch: the cache was made, or is being made, by another recipe.
        """
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(self.cache)
        with self._lock():
            remove_stale(self.folder)
            if self.cache.exists() and (packed := CacheFile(self.cache).recipe) != recipe:
                raise _mismatch(self.cache, packed, recipe)
            self._hold(recipe)

    def _hold(self, recipe: Recipe) -> None:
        path = self.folder / CLAIM
        if path.exists() and (claimed := json.loads(path.read_bytes())) != recipe:
            abandoned = not files_in(self.folder) and _unused(path)
            if not abandoned:
                raise _mismatch(self.folder, claimed, recipe)
            path.unlink()
        if not path.exists():
            publish_bytes(path, canonical(recipe).encode())
        self._claim = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._claim, fcntl.LOCK_SH)

    def shards(self) -> list[CacheFile]:
        """The sound shards, from oldest to newest. Damaged ones are set aside and named."""
        found = []
        for path in files_in(self.folder):
            try:
                shard = CacheFile(path, keep_open=False)
                require_sound(shard)
            except CacheError as error:
                if not path.exists():  # packed by another process just now
                    continue
                aside = path.with_name(path.name + DAMAGED)
                path.replace(aside)
                log.warning("%s; set aside as %s, its utterances are done again", error, aside)
                continue
            found.append(shard)
        return sorted(found, key=lambda shard: shard.age)

    def known(self) -> dict[str, str]:
        """Id → SHA-256 of the audio of every utterance that is embedded already."""
        known: dict[str, str] = {}
        held = self._lock() if self._claim is not None else contextlib.nullcontext()
        with held:  # or another process may pack the shards away while they are read
            packed = [CacheFile(self.cache)] if self.cache.exists() else []
            for file in [*packed, *self.shards()]:
                ids, checksums = file.ids.tolist(), file.read_all("utterances/sha256").tolist()
                known.update((i.decode(), s.decode()) for i, s in zip(ids, checksums, strict=True))
        return known

    def publish(
        self,
        recipe: Recipe,
        utterances: Mapping[str, npt.NDArray],
        layers: Mapping[str, npt.NDArray],
        sequences: Mapping[str, npt.NDArray] | None,
        provenance: Mapping[str, Any],
        baselines: Mapping[str, npt.NDArray] | None = None,
    ) -> Path:
        """Write one shard; when this returns, its utterances are safe."""
        path = self.folder / f"{time.time_ns()}-{secrets.token_hex(4)}.h5"
        write_cache(path, recipe, utterances, layers, sequences, provenance, baselines)
        return path

    def pack(
        self,
        current: Mapping[str, Utterance] | None = None,
        leave_out: Collection[str] = (),
        others: Sequence[CacheFile] = (),
    ) -> int:
        """Merge the packed file and the shards into the cache; return its number of utterances.

        Args:
            current: utterances by id as the corpus describes them now; see `data.writer.merge`.
            leave_out: ids to leave out.
            others: more files to merge, which stay where they are.

        Raises:
            CacheError: there is nothing to pack, a file is damaged, or of another recipe.
        """
        with self._lock():
            shards = self.shards()
            packed = [CacheFile(self.cache)] if self.cache.exists() else []
            if packed and not (shards or others or leave_out) and is_current(packed[0], current):
                return len(packed[0])
            for file in [*packed, *others]:
                require_sound(file)
            sources = sorted([*packed, *others, *shards], key=lambda file: file.age)
            if not sources:
                raise CacheError(f"{self.cache}: there is nothing to pack")
            count = merge(sources, self.cache, current, leave_out)
            for shard in shards:
                shard.path.unlink()
        return count

    def clean(self) -> None:
        """Give up the claim, and remove the folder if nothing and nobody needs it any more."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None
        with contextlib.suppress(OSError), self._lock():
            waiting = files_in(self.folder)
            if not waiting and _unused(self.folder / CLAIM):
                (self.folder / CLAIM).unlink(missing_ok=True)
                (self.folder / LOCK).unlink()
                self.folder.rmdir()  # fails with a damaged shard in it, which stays

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Only one process claims, packs or cleans at a time."""
        while True:
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir()
                sync_folder(self.folder.parent)
            try:
                descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            except FileNotFoundError:  # cleaned by another process just now
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is(self.folder / LOCK, descriptor):
                    yield
                    return
            finally:
                os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    """Whether `path` still is the file that was opened."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _unused(claim: Path) -> bool:
    """Whether no living process holds a claim; the kernel frees those of killed ones."""
    try:
        descriptor = os.open(claim, os.O_RDWR)  # NFS locks exclusively only what may be written
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _mismatch(path: Path, cached: Recipe, asked: Recipe) -> RecipeMismatch:
    lines = "\n  ".join(differences(cached, asked))
    return RecipeMismatch(
        f"{path} was made by another recipe:\n  {lines}\n"
        "Ask for what it holds, or choose another file with -o"
    )
