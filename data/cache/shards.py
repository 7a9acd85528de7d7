"""Collect the shards of an unfinished cache, and pack them into the cache.

``<cache>.parts/`` contains immutable shards with the schema of the cache, and ``recipe.json``, the
claim, which prevents shards of two recipes in one folder. If a run is stopped, its shards stay, and
the next run does not embed their utterances again. When no utterance is missing, the shards are
packed into the cache and removed. Several processes may work on one cache at the same time.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data.atomic import publish_bytes, remove_stale
from data.cache.columns import DIGEST, decode
from data.cache.file import CacheFile, files_in, parts_folder, require_sound
from data.cache.lock import locked, remove
from data.cache.merged import Merged
from data.cache.recipe import Recipe, canonical, difference_lines
from data.cache.writer import is_current, merge, write_cache
from data.errors import CacheError, RecipeMismatch
from data.machine import flock
from data.text import several
from data.utterance import Utterance

log = logging.getLogger("wav2emo")

CLAIM = "recipe.json"
DAMAGED = ".damaged"


class Shards:
    """The shards of a cache, and its packed file if there is one."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.folder = parts_folder(cache)
        self._claim: int | None = None

    def recipe(self) -> Recipe | None:
        """The recipe of the cache or of its shards; None if there are none."""
        if self.cache.exists():
            return CacheFile(self.cache).recipe
        return self._claimed()

    def _claimed(self) -> Recipe | None:
        with contextlib.suppress(FileNotFoundError):
            try:
                return json.loads((self.folder / CLAIM).read_bytes())
            except ValueError:
                raise CacheError(
                    f"{self.folder / CLAIM}: damaged: not JSON; remove it and run the same "
                    "command again"
                ) from None
        return None

    def claim(self, recipe: Recipe) -> None:
        """Reserve the cache for `recipe` until `clean` is called or this process ends.

        Any number of processes may hold a claim for the same recipe.

        Raises:
            RecipeMismatch: the cache, or its unfinished extraction, has another recipe.
        """
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(self.cache)
        with locked(self.folder):
            remove_stale(self.folder)
            if self.cache.exists() and (packed := CacheFile(self.cache).recipe) != recipe:
                raise _mismatch(self.cache, packed, recipe)
            self._hold(recipe)

    def _hold(self, recipe: Recipe) -> None:
        path = self.folder / CLAIM
        if (claimed := self._claimed()) not in (None, recipe):
            abandoned = not files_in(self.folder) and _unused(path)
            if not abandoned:
                raise _mismatch(self.folder, claimed or {}, recipe)
            path.unlink()
        if not path.exists():
            publish_bytes(path, canonical(recipe).encode())
        self._release()
        self._claim = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        flock(self._claim, fcntl.LOCK_SH)

    def sound(self) -> list[CacheFile]:
        """The undamaged shards, from oldest to newest; damaged ones are renamed with a warning."""
        shards = []
        for path in files_in(self.folder):
            try:
                shard = CacheFile(path, keep_open=False)
                require_sound(shard)
            except CacheError as error:
                if not path.exists():  # another process has packed it
                    continue
                aside = path.with_name(path.name + DAMAGED)
                path.replace(aside)
                log.warning("%s; renamed to %s, its utterances are embedded again", error, aside)
                continue
            shards.append(shard)
        return sorted(shards, key=lambda shard: shard.age)

    def known(self) -> dict[str, str]:
        """The embedded utterances: id → SHA-256 of the audio, and the digest of its condition, see
        `data.utterance.Utterance.version`."""
        if self._claim is None:
            return self._known()
        with locked(self.folder):  # no other process packs the shards at the same time
            return self._known()

    def _known(self) -> dict[str, str]:
        packed = [CacheFile(self.cache)] if self.cache.exists() else []
        if not (files := [*packed, *self.sound()]):
            return {}
        rows = Merged.of(files)
        versions = decode(rows.column("sha256"))
        if DIGEST in rows.names:
            pairs = zip(versions, decode(rows.column(DIGEST)), strict=True)
            versions = [f"{sha256} {digest}".rstrip() for sha256, digest in pairs]
        return dict(zip(decode(rows.column("id")), versions, strict=True))

    def ids(self) -> set[str]:
        """Ids of all embedded utterances, including those in damaged shards."""
        ids: set[bytes] = set()
        for path in [*files_in(self.folder), self.cache]:  # in the order of packing
            with contextlib.suppress(CacheError):
                ids.update(CacheFile(path, keep_open=False).ids.tolist())
        return set(decode(np.array(sorted(ids))))

    def publish(
        self,
        recipe: Recipe,
        utterances: Mapping[str, npt.NDArray],
        layers: Mapping[str, npt.NDArray],
        sequences: Mapping[str, npt.NDArray] | None,
        provenance: Mapping[str, Any],
        baselines: Mapping[str, npt.NDArray] | None = None,
    ) -> Path:
        """Write one shard and flush it to disk; return its path.

        Raises:
            RecipeMismatch: another machine has claimed the folder for another recipe, since its
                locks do not work between machines.
        """
        if self._claimed() != recipe:  # another machine has removed the folder as unused
            with locked(self.folder):
                self._hold(recipe)
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
            current: id → current description of the utterance, see `data.cache.writer.merge`.
            leave_out: ids of utterances to remove.
            others: more files to merge; they are not removed.

        Raises:
            CacheError: there is nothing to pack, a file is damaged, or has another recipe.
        """
        with locked(self.folder):
            return self._pack(current, leave_out, others)

    def _pack(
        self,
        current: Mapping[str, Utterance] | None,
        leave_out: Collection[str] = (),
        others: Sequence[CacheFile] = (),
    ) -> int:
        shards = self.sound()
        _warn_of_different_audio(shards)
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

    def pack_if_last(
        self, whole: Mapping[str, Utterance], refused: Callable[[], Collection[str]]
    ) -> int | None:
        """Release the claim; pack if no other process holds one and no utterance is missing.

        If several processes call this, exactly one of them packs.

        Args:
            whole: id → utterance, for all utterances that belong into the cache.
            refused: returns the ids of utterances that were refused; called when no other process
                holds a claim.

        Returns:
            The number of utterances in the cache; None if it was not packed.
        """
        with locked(self.folder):
            self._release()
            if not _unused(self.folder / CLAIM):
                return None
            if whole.keys() - self._known().keys() - set(refused()):
                return None
            return self._pack(whole)

    def clean(self) -> None:
        """Release the claim; remove the folder if it is empty and no process holds a claim."""
        self._release()
        with contextlib.suppress(OSError), locked(self.folder):
            waiting = files_in(self.folder)
            if not waiting and _unused(self.folder / CLAIM):
                (self.folder / CLAIM).unlink(missing_ok=True)
                remove(self.folder)  # fails if it contains a damaged shard

    def _release(self) -> None:
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


def _warn_of_different_audio(shards: Sequence[CacheFile]) -> None:
    """Log a warning if the audio of an utterance differs between shards."""
    ids = np.concatenate([np.zeros(0, "S1"), *(shard.ids for shard in shards)])
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    same = ids[1:] == ids[:-1]
    if not same.any():
        return
    audio = np.concatenate([shard.read_all("utterances/sha256") for shard in shards])[order]
    names = decode(np.unique(ids[1:][same & (audio[1:] != audio[:-1])]))
    if names:
        log.warning(
            "%s with different audio in different shards (first: %s); the newest shard is used. If "
            "no recording was changed, compare the recordings on the machines",
            several(len(names), "utterance"),
            names[0],
        )


def _unused(claim: Path) -> bool:
    """Whether no living process holds a claim.

    If locks do not work between machines, only processes of this machine are seen.
    """
    try:
        descriptor = os.open(claim, os.O_RDWR)  # NFS has exclusive locks for writable files only
    except FileNotFoundError:
        return True
    try:
        flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _mismatch(path: Path, cached: Recipe, asked: Recipe) -> RecipeMismatch:
    advice = "Use the options of the cache, or choose another file with -o"
    return RecipeMismatch(
        difference_lines(f"{path} was made by another recipe:", cached, asked, advice)
    )
