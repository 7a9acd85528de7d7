"""Scores of a fine-tuning: a table for the terminal, and a page with figures."""

from functools import partial
from pathlib import Path

from classify.evaluation.classes import ClassOutcome
from classify.formats import counted, interval, score
from classify.report.class_figures import curves_figure, f1_figure
from classify.report.folder import as_json, write_table
from classify.report.matrix_figures import confusion_figure, fold_confusions_figure
from classify.report.page import (
    UNKNOWN_SPEAKERS,
    Page,
    Section,
    Table,
    illustrated,
    per_class,
    plain,
)
from classify.report.page import render as render_page
from classify.report.style import Illustration
from classify.report.style import write as write_figures
from classify.stats.intervals import in_words
from classify.stats.metrics import METRICS, Counts
from data import console
from data.atomic import publish_bytes
from data.cache.recipe import encoder_name
from finetune.run import Tuned

RANDOM = (
    "The base model has random weights, so this is training from scratch, not fine-tuning of a "
    "pretrained encoder."
)
CURVES = (
    "Mean over the encoders; the band is one standard deviation. Training scores are taken under "
    "dropout. The speakers that stop a training are part of its training part; the test part is "
    "not looked at before the end."
)


def title(tuned: Tuned) -> str:
    """Method and encoder."""
    control = tuned.encoder.partition(":")[0] == "untrained"
    name = encoder_name({"model": tuned.encoder, "control": control})
    return f"{name}, fine-tuned ({tuned.options.method})"


def render(tuned: Tuned) -> console.Lines:
    """The scores as lines for the terminal."""
    selection, folds = tuned.selection, tuned.folds
    classes = f" in {len(selection.classes)} classes" if selection.classes else ""
    rows = [
        ("encoder", title(tuned)),
        ("utterances", f"{len(selection.y)} ({counted(selection.corpora)}){classes}"),
        ("folds", f"{folds.kind} ({len(folds)})" if folds.by_speaker else folds.kind),
        ("", ""),
    ]
    outcome = tuned.outcome
    if isinstance(outcome, ClassOutcome):
        for name, metric in METRICS.items():
            words = f"{outcome.scores.values[name]:.3f} {in_words(outcome.scores.intervals[name])}"
            chance = f"   chance {outcome.chance:.3f}" if name == "uar" else ""
            rows.append((metric.label, words + chance))
    else:
        rows += [
            (f"CCC, {name}", f"{score(row.values['ccc'])} {in_words(row.interval)}")
            for name, row in outcome.rows.items()
        ]
    width = max(len(name) for name, _ in rows)
    return console.lines([f"{name:{width}}  {value}".rstrip() for name, value in rows])


def write(tuned: Tuned, folder: Path) -> None:
    """Write ``report.html``, its figures, ``metrics.json`` and ``predictions.csv``."""
    outcome, selection = tuned.outcome, tuned.selection
    planned = []
    histories = [one.history for one in tuned.results.values()]
    if isinstance(outcome, ClassOutcome):
        scores = outcome.scores
        planned = [
            Illustration("confusion", "Confusion matrix", "Shares of each true class, and counts "
                         "where there is room; the diagonal is the recall.",
                         partial(confusion_figure, scores.confusion, scores.classes)),
            Illustration("confusion_folds", "Confusion matrix of each fold", "Shares of each true "
                         "class by the head of the fold's own encoder; rows: the true class.",
                         partial(fold_confusions_figure, _of_folds(tuned, outcome),
                                 scores.classes)),
            Illustration("f1", "F1 of each class", "In brackets: utterances.",
                         partial(f1_figure, scores)),
            Illustration("curves", "Training curves", CURVES,
                         partial(curves_figure, histories, outcome.chance)),
        ]  # fmt: skip
    figures = write_figures(planned, folder, title(tuned))
    warnings = {
        RANDOM: tuned.encoder.partition(":")[0] == "untrained",
        UNKNOWN_SPEAKERS: not tuned.folds.by_speaker,
    }
    page = Page(
        title=title(tuned),
        lead=f"{len(selection.y)} utterances ({counted(selection.corpora)}), {tuned.folds.kind}",
        warnings=[text for text, holds in warnings.items() if holds],
        facts=_facts(tuned),
        sections=[*illustrated(figures), *_classes(tuned), _folds(tuned), _made(tuned)],
    )
    write_table(folder / "predictions.csv", _predictions(tuned))
    publish_bytes(folder / "metrics.json", as_json(outcome.as_json()))
    publish_bytes(folder / "report.html", render_page(page, folder).encode())


def _of_folds(tuned: Tuned, outcome: ClassOutcome) -> dict[str, Counts]:
    """Tested speakers → confusion matrix."""
    return {
        f"{number + 1}: {tested}": fold.confusion
        for number, (tested, fold) in enumerate(zip(_tested(tuned), outcome.folds, strict=True))
    }


def _tested(tuned: Tuned) -> list[str]:
    """The speakers that each fold tests; its number where they are not known."""
    if not tuned.folds.by_speaker:
        return [str(number) for number in range(len(tuned.folds))]
    speakers = tuned.selection.speakers
    return [", ".join(sorted(set(speakers[test]))) for _, test in tuned.folds.parts]


def _facts(tuned: Tuned) -> list[tuple[str, str, str]]:
    outcome = tuned.outcome
    if not isinstance(outcome, ClassOutcome):
        return [(f"CCC, {name}", score(row.values["ccc"]), f"95 %: {interval(row.interval)}")
                for name, row in outcome.rows.items()]  # fmt: skip
    facts = []
    for name, metric in METRICS.items():
        bounds = outcome.scores.intervals[name]
        words = ["95 %: {:.3f} to {:.3f}".format(*bounds)] if bounds else []
        words += [f"chance {outcome.chance:.3f}"] if name == "uar" else []
        facts.append((metric.label, score(outcome.scores.values[name]), "; ".join(words)))
    return facts


def _classes(tuned: Tuned) -> list[Section]:
    outcome = tuned.outcome
    if not isinstance(outcome, ClassOutcome):
        return []
    return [Section("Classes", table=per_class(outcome.scores.per_class))]


def _folds(tuned: Tuned) -> Section:
    """A row for each fold: the tested speakers, the epoch that is kept, the scores."""
    outcome, rows = tuned.outcome, []
    tested = zip(_tested(tuned), tuned.folds.parts, strict=True)
    for number, (speakers, (_, test)) in enumerate(tested):
        result = tuned.results[f"fold-{number}"]
        if isinstance(outcome, ClassOutcome):
            value = score(outcome.folds[number].values["uar"])
        else:
            value = score(outcome.folds[number].mean["ccc"])
        rows.append((speakers, len(test), result.epoch, value, f"{result.seconds:.0f}"))
    measure = "UAR" if isinstance(outcome, ClassOutcome) else "CCC"
    head = ["tested", "utterances", "epoch kept", measure, "seconds"]
    return Section("Folds", table=Table(head, rows))


def _made(tuned: Tuned) -> Section:
    rows = [(name, plain(value)) for name, value in tuned.options.as_json().items()]
    text = (
        "finetune.json has the settings and their fingerprint. Each folder fold-K is a checkpoint "
        "of transformers, with the recordings that it was trained on in trained_on.parquet."
    )
    return Section("How this was made", table=Table((), rows, words=True), text=text)


def _predictions(tuned: Tuned):  # type: ignore[no-untyped-def]
    selection = tuned.selection
    names = selection.classes or selection.targets
    yield ["id", "speaker", "fold", "truth", *(["prediction"] if selection.classes else []), *names]
    for number, (_, test) in enumerate(tuned.folds.parts):
        for row, output in zip(test, tuned.results[f"fold-{number}"].outputs, strict=True):
            utterance = selection.utterances.iloc[row]
            truth = selection.truth[row]
            guess = [selection.classes[output.argmax()]] if selection.classes else []
            shown = truth if selection.classes else ";".join(f"{one:g}" for one in truth)
            yield [utterance["id"], utterance["speaker"], str(number), str(shown), *guess,
                   *(f"{one:.6f}" for one in output)]  # fmt: skip
