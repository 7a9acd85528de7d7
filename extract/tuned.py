"""Embed corpora by all encoders of a fine-tuning: one cache for each fold."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.cache.recipe import EVERYTHING
from data.errors import EncoderError
from extract.encoders.checkpoint import FINETUNED


@dataclass(frozen=True)
class Tuned:
    """The folder of a fine-tuning."""

    folder: Path
    about: dict[str, Any]

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
            about: dict[str, Any] = json.loads(file.read_bytes())
            folds = about["about"]["folds"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EncoderError(f"{file}: damaged ({error})") from None
        for number in range(len(folds)):
            if not (folder / f"fold-{number}" / "config.json").is_file():
                raise EncoderError(
                    f"{folder}: fold-{number} of {len(folds)} folds is missing; run the same "
                    "'python -m extract finetune' again to complete it"
                )
        return cls(folder, about)

    def caches(self, out: Path) -> dict[Path, Path]:
        """Cache in the folder `out` → folder of its encoder; that of all speakers, too, if there is
        one."""
        names = [f"fold-{number}" for number in range(len(self.about["about"]["folds"]))]
        if (self.folder / EVERYTHING / "config.json").is_file():
            names.append(EVERYTHING)
        return {out / f"{name}.h5": self.folder / name for name in names}

    def describe(self, out: Path) -> None:
        """Make the folder `out`, and write which utterances each fold tests.

        Raises:
            RecipeMismatch: the folder has the caches of another fine-tuning.
        """
        from data.cache import by_fold  # late: numpy would slow --help down

        folds = self.about["about"]["folds"]
        tested = {f"fold-{number}.h5": one["tested"] for number, one in enumerate(folds)}
        out.mkdir(parents=True, exist_ok=True)
        by_fold.write(out, self.folder.resolve().name, tested, self.about["fingerprint"])
