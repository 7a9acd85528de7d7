"""Predict recordings, whole or in sliding windows, and print the predictions."""

import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from classify.inference.files import output
from classify.inference.files.options import PredictOptions
from classify.inference.predictor import Answer, Predictor, name_of
from classify.inference.timeline import Timeline, as_csv, as_rttm
from classify.models.trained import TrainedHead
from data.atomic import publish_bytes
from data.text import several
from data.utterance import Utterance
from extract.decoding import Refusal
from extract.sliding import Sliding, Track

Item = TypeVar("Item")

SHOWN = 5  # recordings with warnings that get a line of their own

log = logging.getLogger("wav2emo")


class FilePredictions:
    """One run of the command: model, options, and how many recordings were refused."""

    def __init__(
        self, model: TrainedHead, options: PredictOptions, sliding: Sliding | None
    ) -> None:
        self.model = model
        self.options = options
        self.sliding = sliding
        self.refused = 0
        self._outside = OutsideLog()
        self._names: set[str] = set()  # of the timelines' files

    def show(self, utterances: Sequence[Utterance]) -> None:
        """Print the predictions in the chosen format, and write the timelines."""
        form, regression = self.options.form, bool(self.model.targets)
        if form == "table":
            log.info("%s on %s", self.model.card["head"], self.model.encoder)
        answers = self._answers(utterances)
        if form != "table" or self.sliding is None or regression:
            parts = self.sliding is not None or any(each.start or each.end for each in utterances)
            output.print_answers(form, answers, self.model.card, parts)
        else:
            for _ in answers:
                pass  # the segments of a recording are printed at its end
        self._outside.summarise()

    def _answers(self, utterances: Sequence[Utterance]) -> Iterator[Answer]:
        predictor = Predictor.open(self.model, self.options.device, self.options.encoder)
        if self.sliding is not None:
            yield from self._of_windows(predictor, utterances, self.sliding)
            return
        for result in self._watched(predictor(utterances), " recordings", len(utterances)):
            if isinstance(result, Answer):
                self._outside.add(name_of(result.utterance), [result.warnings])
                yield result
            else:
                self._refuse(result)

    def _of_windows(
        self, predictor: Predictor, utterances: Sequence[Utterance], sliding: Sliding
    ) -> Iterator[Answer]:
        kept = self.options.out is not None or self.options.form == "table"
        windows = self._watched(predictor.windows(map(Track, utterances), sliding), " windows")
        for track, results in groupby(windows, key=lambda item: item[0]):
            answers, warnings, refused = [], [], False
            for _, result in results:
                if isinstance(result, Answer):
                    answers += [result] if kept else []
                    warnings += [] if result.silent else [result.warnings]
                    yield result
                elif not refused:
                    self._refuse(result)
                    refused = True
            self._outside.add(name_of(track.utterance), warnings)
            if kept and not refused:
                self._keep(track.utterance, predictor.collected(track, answers))

    def _keep(self, utterance: Utterance, timeline: Timeline) -> None:
        """Write the files and print the segments of a recording whose windows are all predicted."""
        if self.options.out is not None:
            self._write(timeline, self.options.out / self._unique_name(utterance))
        if self.options.form == "table":
            with tqdm.external_write_mode():
                output.print_segments(timeline.segments(), name_of(utterance), timeline.classes)

    def _unique_name(self, utterance: Utterance) -> str:
        """The recording's own name, with the seconds of a segment and a number if it is taken."""
        name = Path(utterance.path).stem
        if utterance.start is not None or utterance.end is not None:
            end = "" if utterance.end is None else f"{utterance.end:g}"
            name += f"_{utterance.start or 0:g}-{end}"
        numbered = (f"{name}-{number}" if number > 1 else name for number in count(1))
        free = next(each for each in numbered if each not in self._names)
        self._names.add(free)
        return free

    def _write(self, timeline: Timeline, path: Path) -> None:
        """Write the windows, the segments, and a figure of them."""
        from classify.inference.timeline_figure import draw  # late: imports matplotlib
        from classify.report.style import as_bytes

        contents = {".csv": as_csv(timeline).encode(), ".png": as_bytes(draw(timeline))}
        if not timeline.regression:
            contents[".rttm"] = as_rttm(timeline, path.name).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        for suffix, content in contents.items():
            publish_bytes(path.parent / f"{path.name}{suffix}", content)

    def _refuse(self, refusal: Refusal) -> None:
        self.refused += 1
        with tqdm.external_write_mode():
            log.error("%s: %s", name_of(refusal.utterance), refusal.reason)

    def _watched(
        self, results: Iterable[Item], unit: str, total: int | None = None
    ) -> Iterator[Item]:
        """Show a progress bar on a terminal to which nothing else is written."""
        writes = self.options.form != "table" or self.sliding is None
        hidden = not log.isEnabledFor(logging.INFO) or (writes and sys.stdout.isatty())
        bar = tqdm(results, total=total, unit=unit, leave=False, disable=hidden or None)
        yield from bar


class OutsideLog:
    """One line for each of the first recordings with warnings, and a summary of many."""

    def __init__(self) -> None:
        self._recordings = self._outside = 0
        self._counts: Counter[str] = Counter()

    def add(self, name: str, windows: Sequence[Mapping[str, str]]) -> None:
        """Count a recording by the warnings of each of its windows; those of half of the windows
        are of the recording."""
        self._recordings += 1
        counts = Counter(kind for warnings in windows for kind in warnings)
        found = {
            kind: text
            for warnings in windows
            for kind, text in warnings.items()
            if counts[kind] * 2 >= len(windows)
        }
        if not found:
            return
        self._outside += 1
        self._counts.update(found.keys())
        if self._outside <= SHOWN:
            with tqdm.external_write_mode():
                log.warning("%s: %s", name, "; ".join(found.values()))

    def summarise(self) -> None:
        """Log the counts, if not every recording had a line."""
        if self._outside > SHOWN:
            counts = ", ".join(f"{kind} {count}" for kind, count in self._counts.most_common())
            log.warning(
                "%d of %s lie outside of what the model was trained on: %s (column warnings of "
                "--csv)",
                self._outside, several(self._recordings, "recording"), counts,
            )  # fmt: skip
