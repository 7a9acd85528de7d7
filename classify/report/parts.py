"""Parts that the pages of several studies have."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from markupsafe import Markup

from classify.evaluation.classes import ClassOutcome
from classify.evaluation.folds import Folds
from classify.evaluation.numbers import NumberOutcome
from classify.formats import bounded, counted, score
from classify.report.elements import confusion_figure
from classify.report.page import Fact, Row, Section, Table, illustrated
from classify.report.row_figures import f1_figure
from classify.stats.intervals import in_words
from classify.stats.metrics import METRICS
from classify.stats.scores import ClassScores, Json, Scores
from data.cache.recipe import Recipe

UNTRAINED = (
    "The encoder is an untrained control: its weights are random. These scores show what "
    "architecture and head find without any pretraining; they are the floor for a pretrained "
    "encoder, not a result of one, and another head or layer may be the best there."
)
UNKNOWN_SPEAKERS = (
    "The speakers are unknown, so the same voice may be in training and test. These scores say "
    "nothing about new speakers, and the intervals take utterances for independent."
)
TRANSDUCTIVE = (
    "Features are normalised by each speaker's own statistics, those of tested speakers included "
    "(transductive). The scores do not hold for a speaker of whom there is no other recording."
)
AUDIT = {
    "leak": "The folds leak: {}. Scores on new ones may be lower.",
    "classes": "Some training parts lack a class, which they cannot predict: {}.",
    "repaired": "The folds were changed: {}.",
}


def warnings(folds: Iterable[Folds], recipe: Recipe, transductive: bool = False) -> list[str]:
    """The warnings about limits of the scores.

    Args:
        folds: of each target.
        recipe: of the embeddings.
        transductive: whether features were normalised with statistics of tested speakers.
    """
    folds = list(folds)
    holds = {
        UNTRAINED: recipe.get("control"),
        UNKNOWN_SPEAKERS: not folds[0].by_speaker,
        TRANSDUCTIVE: transductive,
    }
    found = [AUDIT[name].format(text) for name, text in findings(folds)]
    return [*found, *(text for text, applies in holds.items() if applies)]


def findings(folds: Iterable[Folds]) -> list[Row]:
    """The findings of the audit of given folds, of several targets without repetition."""
    audits = [one.audit for one in folds if one.audit]
    return list(dict.fromkeys(row for audit in audits for row in audit.findings.items()))


def utterances(count: int, corpora: Mapping[str, int], classes: Sequence[str] = ()) -> Row:
    """Number of utterances, of each corpus and of classes."""
    of_classes = f" in {len(classes)} classes" if classes else ""
    return "utterances", f"{count} ({counted(corpora)}){of_classes}"


def folds_in_words(folds: Folds) -> str:
    """Their kind, and their number where it is that of the speakers."""
    return f"{folds.kind} ({len(folds)})" if folds.by_speaker else folds.kind


def facts(outcome: ClassOutcome | NumberOutcome) -> list[Fact]:
    """The metrics of all folds; of numbers the mean CCC."""
    if isinstance(outcome, NumberOutcome):
        words = "mean of the targets" if len(outcome.targets) > 1 else ""
        mean = outcome.mean
        return [Fact("CCC", score(mean.values["ccc"]), in_words(mean.interval), words)]
    scores = outcome.scores
    note = f"chance {outcome.chance:.3f}, folds {spread([f.uar for f in outcome.folds])}"
    return [
        Fact(metric.label, score(scores.values[name]), in_words(scores.intervals[name]),
             note if name == "uar" else "")
        for name, metric in METRICS.items()
    ]  # fmt: skip


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"


def per_class(rows: Mapping[str, ClassScores], fits: int = 1) -> Table:
    """Scores of each class, whose utterances were predicted by so many fits."""
    return Table(
        ["class", "precision", "recall", "F1", "utterances"],
        [
            (name, score(row.precision), score(row.recall), score(row.f1), row.support // fits)
            for name, row in rows.items()
        ],
    )


def targets(outcome: NumberOutcome, by_speaker: bool) -> Section:
    """Agreement of each target, and their mean."""
    rows = []
    for name, row in outcome.rows.items():
        values, truth = row.values, row.truth
        of_folds = [fold.targets.get(name, fold.mean)["ccc"] for fold in outcome.folds]
        known = [value for value in of_folds if value is not None]
        rows.append((
            name, bounded(values["ccc"], row.interval),
            spread(known) if len(known) > 1 else "–",
            score(values["pearson"]), score(values["rmse"]),
            *((score(truth.mean), score(truth.deviation), f"{truth.low:.3g} to {truth.high:.3g}")
              if truth else ("", "", "")),
        ))  # fmt: skip
    head = ["target", "CCC [95 %]", "folds", "Pearson", "RMSE", "mean of the truth", "deviation",
            "range"]  # fmt: skip
    units = "speakers" if by_speaker else "utterances"
    text = (
        "CCC: Lin's concordance correlation coefficient over the predictions of all folds, by "
        "population moments; 1 is perfect, and a constant prediction has 0. Its interval is a "
        f"jackknife over {units}; below four of them there is none. RMSE and deviation are on the "
        "target's own scale; a constant prediction of the mean has the deviation as RMSE."
    )
    return Section("Targets", Table(head, rows), text=text, printed=True)


def confusion(scores: Scores, title: str = "Confusion matrix", of: str = "") -> Section:
    """The confusion matrix as a figure; `of`: begins its caption."""
    return illustrated(
        "confusion",
        title,
        f"{of}Shares of each true class, and counts where there is room; the diagonal is the "
        "recall.",
        partial(confusion_figure, scores.confusion, scores.classes),
    )


def f1(scores: Scores) -> Section:
    """F1 of each class as a figure."""
    make = partial(f1_figure, scores)
    return illustrated("f1", "F1 of each class", "In brackets: utterances.", make)


def audit_of(folds: Iterable[Folds]) -> list[Section]:
    """A table of given folds; of several targets that of the first, since they have the same."""
    audit = next((one.audit for one in folds if one.audit), None)
    if audit is None:
        return []
    rows = [
        (
            fold.fold,
            fold.training,
            fold.tested,
            *("unknown" if shared is None else shared for shared in fold.overlap.values()),
            ", ".join(fold.untrained) or "none",
            ", ".join(fold.untested) or "none",
            *([fold.dropped] if audit.repair else []),
        )
        for fold in audit.folds
    ]
    shared = [f"test {name}s in training" for name in audit.overlap]
    head = ["fold", "training", "test", *shared, "classes not in training", "classes not in test"]
    head += ["dropped from training"] if audit.repair else []
    left_out = ", ".join(f"{count} {reason}" for reason, count in audit.left_out.items() if count)
    text = "Recordings are the same if the SHA-256 of their files is." + (
        f" Utterances in no part: {left_out}." if left_out else ""
    )
    return [Section("Audit of the folds", Table(head, rows, words=True), text=text)]


def made(options: Json, text: str, more: Json | None = None) -> Section:
    """The section "How this was made": options, further facts, and the files beside the page."""
    rows = [(name, plain(value)) for name, value in {**options, **(more or {})}.items()]
    return Section("How this was made", Table((), rows, words=True), text=Markup(text))


def plain(value: object) -> object:
    """Format the value of an option.

    >>> plain([["noise:20", "clip"], ["telephone"]])
    'noise:20, clip; telephone'
    """
    if value is None or value in ((), [], {}):
        return "default"
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ("; " if isinstance(value[0], list | tuple) else ", ").join(
            str(plain(one)) for one in value
        )
    return value if isinstance(value, str) else json.dumps(value)
