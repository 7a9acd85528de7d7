"""The report of a cross-validation."""

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np

from classify.evaluation.classes import ClassOutcome
from classify.evaluation.numbers import NumberOutcome
from classify.evaluation.run import Run
from classify.evaluation.tuning import Tuned
from classify.fairness.result import Fairness
from classify.formats import score
from classify.report import folder, groups, parts
from classify.report.curve_figures import training_figure, weights_figure
from classify.report.page import Page, Row, Section, Table, illustrated
from classify.report.panel_figures import attention_figure, plane_figure, predictions_figure
from classify.report.write import Report
from classify.stats.agreement import AGREEMENTS
from classify.stats.metrics import METRICS

log = logging.getLogger("wav2emo")


def report(run: Run, fairness: Fairness | None = None, attention: str | None = None) -> Report:
    """The report of a cross-validation.

    Args:
        run: the cross-validation.
        fairness: of its groups.
        attention: id of the utterance whose attention is drawn; None: of each class the correctly
            predicted utterance of the highest probability.
    """
    options = run.options
    return Report(
        name=options.head,
        result=folder.RESULT,
        page=_page(run, fairness, attention),
        metrics=run.metrics,
        predictions=run.predictions(),
        options=options.as_json() | {"cache": str(options.cache.absolute())},
        seed=options.seed,
        fingerprint=run.dataset.fingerprint,
        more={"recipe": run.dataset.recipe},
    )


def about(run: Run) -> list[Row]:
    """The rows on head, encoder, features, utterances and folds."""
    data, tuned = run.dataset, run.tuned
    rows = [
        ("head", run.options.head),
        ("encoder", data.encoder),
        ("features", str(data.features)),
        parts.utterances(len(data.y), data.corpora, data.classes),
        ("folds", parts.folds_in_words(run.folds)),
        *parts.findings([run.folds]),
    ]
    if run.transductive:
        rows.append(("normalised", "by each speaker's own statistics (transductive)"))
    if tuned:
        changed = sum(number > 0 for number in tuned.chosen.tolist())
        words = f"{changed} of {len(run.folds)} folds leave the head's own"
        rows.append(("tuned", f"{len(tuned.tried)} settings by {tuned.kind}; {words}"))
    return rows


def _page(run: Run, fairness: Fairness | None, attention: str | None) -> Page:
    outcome, rows = run.outcome, about(run)
    if isinstance(outcome, ClassOutcome):
        rows += _of_fits(outcome)
        sections = [
            Section(
                "Classes",
                parts.per_class(outcome.scores.per_class, len(outcome.seeds)),
                printed=True,
            ),
            *_class_figures(run, outcome, attention),
        ]
        columns = {
            metric.label: [score(fold.values[name]) for fold in outcome.folds]
            for name, metric in METRICS.items()
        }
    else:
        sections = [parts.targets(outcome, run.folds.by_speaker), *_number_figures(run, outcome)]
        columns = {
            f"{name}: {label}": [score(fold.targets[name][key]) for fold in outcome.folds]
            for name in outcome.targets
            for key, (label, _) in AGREEMENTS.items()
        }
    if run.tuned:
        sections.append(_tuning(run.tuned))
    if fairness:
        rows += groups.differing(fairness)
    return Page(
        title=run.title,
        about=rows,
        facts=parts.facts(outcome),
        warnings=parts.warnings([run.folds], run.dataset.recipe, run.transductive),
        sections=[
            *parts.audit_of([run.folds]),
            *sections,
            *groups.of_run(fairness),
            _folds(run, columns),
        ],
    )


def _of_fits(outcome: ClassOutcome) -> list[Row]:
    """Seeds and mix, where there are some."""
    rows = []
    if len(outcome.seeds) > 1:
        spreads = [(metric.label, outcome.over_seeds(name)) for name, metric in METRICS.items()]
        scores = ", ".join(f"{label} {of.mean:.3f} ± {of.deviation:.3f}" for label, of in spreads)
        rows.append(("seeds", f"{len(outcome.seeds)}: {scores}"))
    if weights := outcome.layer_weights:
        most = sorted(weights, key=lambda layer: -weights[layer].mean)[:3]
        shares = ", ".join(f"{layer} ({weights[layer].mean:.2f})" for layer in most)
        rows.append(("mix", f"most of layers {shares}"))
    return rows


def _class_figures(run: Run, outcome: ClassOutcome, chosen: str | None) -> list[Section]:
    """As far as the run has numbers for them."""
    scores = outcome.scores
    sections = [
        parts.confusion(scores),
        parts.f1(scores),
    ]
    if run.result.histories:
        words = (
            "Mean over the folds; the band is one standard deviation. Training scores are taken "
            "under dropout. The test fold is only observed: neither epoch nor parameters are "
            "chosen by it."
        )
        make = partial(training_figure, run.result.histories, outcome.chance)
        sections.append(illustrated("curves", "Training curves", words, make))
    if outcome.layer_weights:
        words = "Share of each hidden layer in the mix: mean and one standard deviation over folds."
        make = partial(weights_figure, outcome.layer_weights)
        sections.append(illustrated("layers", "Layer weights", words, make))
    if run.attention is not None and (rows := _chosen(run, chosen)):
        data, attended = run.dataset, {}
        for row in rows:
            predicted = data.classes[run.result.by_seed[0, row].argmax()]
            name, truth = data.utterances["id"].iloc[row], data.truth[row]
            title = f"{name}: {truth}" + (f", predicted {predicted}" * (predicted != truth))
            weights = run.attention[row]
            attended[title] = weights[: np.flatnonzero(np.isfinite(weights))[-1] + 1]
        seconds = 1 / data.recipe["sequence_rate"] if data.features.sequences else 0.0
        words = "Attention weights of single utterances, by a head not trained on them."
        make = partial(attention_figure, attended, seconds)
        sections.append(illustrated("attention", "Attention", words, make))
    return sections


def _chosen(run: Run, chosen: str | None) -> Sequence[int]:
    """The utterances whose attention is drawn."""
    ids = run.dataset.utterances["id"]
    found = np.flatnonzero(ids == chosen).tolist()
    if chosen is not None and not found:
        log.warning(
            "no utterance %s; ids are like %s: the most probable of each class are drawn",
            chosen,
            ids.iloc[0],
        )
    return found or run.most_probable()


def _number_figures(run: Run, outcome: NumberOutcome) -> list[Section]:
    """Predictions and truth; their plane where there are two targets."""
    found = run.dataset.targets, run.dataset.y, run.result.output
    ccc = {name: row.values["ccc"] for name, row in outcome.targets.items()}
    words = (
        "Every utterance as predicted by the head that was not trained on its speaker or fold. On "
        "the dashed line a prediction is right; a cloud flatter than it is drawn towards the mean."
    )
    make = partial(predictions_figure, *found, ccc)
    sections = [illustrated("predictions", "Predictions and truth", words, make)]
    if len(run.dataset.targets) == 2:
        words = (
            "Lines and shades enclose 25, 50, 75 and 95 % of the density, by a Gaussian kernel "
            "estimate (Scott 1992). Crosses: means."
        )
        make = partial(plane_figure, *found)
        sections.append(illustrated("plane", "The plane of both targets", words, make))
    return sections


def _tuning(tuned: Tuned) -> Section:
    chosen = tuned.chosen.tolist()
    rows = [
        (
            parts.plain(settings) if settings else "the head's own",
            f"{chosen.count(number)} of {len(chosen)} folds",
        )
        for number, settings in enumerate(tuned.tried)
    ]
    text = f"In each fold, settings are chosen by {tuned.kind} of its training part."
    return Section("Tuning", Table(["settings", "chosen by"], rows, words=True), text=text)


def _folds(run: Run, columns: dict[str, list[str]]) -> Section:
    """A row for each fold: the held-out speakers and the scores, of which a column has a cell for
    each fold."""
    rows = [
        (", ".join(run.speakers(number)) or number, len(test), *values)
        for number, ((_, test), *values) in enumerate(
            zip(run.folds.parts, *columns.values(), strict=True)
        )
    ]
    text = "" if run.dataset.classes else (
        "Within a fold CCC and Pearson suffer where a speaker uses little of the scale. A dash: "
        "not defined, as a correlation with a constant."
    )  # fmt: skip
    return Section("Folds", Table(["held out", "utterances", *columns], rows), text=text)
