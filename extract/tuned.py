"""Embed corpora by all encoders of a fine-tuning: one cache for each fold."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.cache.recipe import EVERYTHING
from data.errors import EncoderError
from extract.encoders.checkpoint import FINETUNED

if TYPE_CHECKING:
    from extract.recipe import Request


@dataclass(frozen=True)
class Tuned:
    """The folder of a fine-tuning."""

    folder: Path
    fingerprint: str
    folds: dict[str, list[str]]  # name → ids of the tested utterances

    @classmethod
    def of(cls, model: str) -> "Tuned | None":
        """The fine-tuning in a folder; None if `model` is something else.

        Raises:
            EncoderError: it is damaged, or not complete.
        """
        folder = Path(model).expanduser()
        file = folder / FINETUNED
        if not file.is_file():
            return None
        try:
            found: dict[str, Any] = json.loads(file.read_bytes())
            tested = [one["tested"] for one in found["about"]["folds"]]
            folds = {f"fold-{number}": ids for number, ids in enumerate(tested)}
            tuned = cls(folder, found["fingerprint"], folds)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EncoderError(f"{file}: damaged ({error})") from None
        for name in folds:
            if not (folder / name / "config.json").is_file():
                raise EncoderError(
                    f"{folder}: {name} of {len(folds)} folds is missing; run the same "
                    "'python -m extract finetune' again to complete it"
                )
        return tuned

    def caches(self, out: Path) -> dict[Path, Path]:
        """Cache in the folder `out` → folder of its encoder; that of all speakers, too, if there is
        one."""
        names = [*self.folds]
        if (self.folder / EVERYTHING / "config.json").is_file():
            names.append(EVERYTHING)
        return {out / f"{name}.h5": self.folder / name for name in names}

    def together(self, out: Path, request: "Request") -> "Request | None":
        """The request by which all encoders embed each batch together, in torch; None: a cache in
        the folder `out` has another engine, or none is left to be made.

        What is below the first changed layer is then computed once for all of them.
        """
        from data.cache.shards import Shards  # late: numpy would slow --help down

        caches = [*self.caches(out)]
        known = [recipe for cache in caches if (recipe := Shards(cache).recipe()) is not None]
        engines = {recipe["engine"] for recipe in known} | ({request.engine} - {"auto"})
        if len(caches) < 2 or not engines <= {"torch"} or all(map(Path.exists, caches)):
            return None
        return replace(request, engine="torch") if not known else request.fitted_to(known[0])

    def describe(self, out: Path) -> None:
        """Make the folder `out`, and write which utterances each fold tests.

        Raises:
            RecipeMismatch: the folder has the caches of another fine-tuning.
        """
        from data.cache import by_fold  # late: numpy would slow --help down

        tested = {f"{name}.h5": ids for name, ids in self.folds.items()}
        out.mkdir(parents=True, exist_ok=True)
        by_fold.write(out, self.folder.resolve().name, tested, self.fingerprint)
