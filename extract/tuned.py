"""Embed corpora by all encoders of a fine-tuning: one cache for each fold."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def extract(self, out: Path, embed: Callable[[Path, str], None]) -> None:
        """Embed by each encoder, into a cache in the folder `out`; by that of all speakers, too, if
        there is one.

        Args:
            out: the folder.
            embed: called with a cache and the folder of an encoder.
        """
        from data.cache import by_fold  # late: numpy would slow --help down

        folds = self.about["about"]["folds"]
        tested = {f"fold-{number}.h5": one["tested"] for number, one in enumerate(folds)}
        out.mkdir(parents=True, exist_ok=True)
        by_fold.write(
            out, self.folder.resolve().name, self.about["about"]["split"], tested,
            self.about["fingerprint"],
        )  # fmt: skip
        complete = (self.folder / by_fold.EVERYTHING / "config.json").is_file()
        for cache in [*tested, *([f"{by_fold.EVERYTHING}.h5"] if complete else [])]:
            embed(out / cache, str(self.folder / cache.removesuffix(".h5")))
