"""Scores of a fine-tuning: a table for the terminal, and a page with figures."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from classify.evaluation.classes import ClassOutcome
from classify.formats import score
from classify.report import parts
from classify.report.curve_figures import training_figure
from classify.report.folder import as_json, write_table
from classify.report.page import Page, Section, Table, html, illustrated
from classify.report.panel_figures import fold_confusions_figure
from classify.stats.metrics import Counts
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


FILES = (
    "finetune.json has the settings and their fingerprint. Each folder fold-K is a checkpoint of "
    "transformers, with the recordings that it was trained on in trained_on.parquet."
)


def write(tuned: Tuned, folder: Path) -> Page:
    """Write ``report.html``, its figures, ``metrics.json`` and ``predictions.csv``, and return the
    description of the scores."""
    page = describe(tuned)
    made = parts.made(tuned.options.as_json(), FILES)
    write_table(folder / "predictions.csv", _predictions(tuned))
    publish_bytes(folder / "metrics.json", as_json(tuned.outcome.as_json()))
    whole = html(replace(page, sections=[*page.sections, made]), folder)
    publish_bytes(folder / "report.html", whole.encode())
    return page


def describe(tuned: Tuned) -> Page:
    """The scores of all folds."""
    selection, folds = tuned.selection, tuned.folds
    control = tuned.encoder.partition(":")[0] == "untrained"
    name = encoder_name({"model": tuned.encoder, "control": control})
    title = f"{name}, fine-tuned ({tuned.options.method})"
    return Page(
        title=title,
        about=[
            ("encoder", title),
            parts.utterances(len(selection.y), selection.corpora, selection.classes),
            ("folds", parts.folds_in_words(folds)),
        ],
        facts=parts.facts(tuned.outcome),
        warnings=[RANDOM] * control + [parts.UNKNOWN_SPEAKERS] * (not folds.by_speaker),
        sections=[*_scores(tuned), _folds(tuned)],
    )


def _scores(tuned: Tuned) -> list[Section]:
    outcome = tuned.outcome
    if not isinstance(outcome, ClassOutcome):
        return [parts.targets(outcome, tuned.folds.by_speaker)]
    scores, histories = outcome.scores, [one.history for one in tuned.results.values()]
    return [
        Section("Classes", parts.per_class(scores.per_class), printed=True),
        parts.confusion(scores),
        illustrated(
            "confusion_folds", "Confusion matrix of each fold", "Shares of each true class by the "
            "head of the fold's own encoder; rows: the true class.",
            partial(fold_confusions_figure, _of_folds(tuned, outcome), scores.classes),
        ),
        parts.f1(scores),
        illustrated("curves", "Training curves", CURVES,
                    partial(training_figure, histories, outcome.chance)),
    ]  # fmt: skip


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
    return Section("Folds", Table(head, rows))


def _predictions(tuned: Tuned) -> Iterator[list[str]]:
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
