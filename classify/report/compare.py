"""The report of a comparison of heads."""

from functools import partial

from classify.compare.result import Comparison
from classify.formats import mark, other_labels, others, score, scored
from classify.report import folder, parts
from classify.report.page import Page, Section, Table, illustrated
from classify.report.row_figures import ranks_figure, scores_figure
from classify.report.write import Report
from classify.stats.intervals import FEWEST
from classify.stats.tests import ALPHA
from classify.studies.results import support
from data.cache.recipe import in_words


def report(found: Comparison) -> Report:
    """The report of a comparison."""
    options = found.options
    return Report(
        name="compare",
        result=folder.COMPARE,
        page=_page(found),
        metrics=found.metrics,
        predictions=found.predictions(),
        options=options.as_json() | {"cache": str(options.shared.cache.absolute())},
        seed=options.shared.seed,
        fingerprint=found.fingerprint,
        more={"seconds": {row.head: row.seconds for row in found.rows}},
    )


def _page(found: Comparison) -> Page:
    rows, units, data, folds = found.rows, found.unit, found.selection, found.folds
    sections = [
        *parts.audit_of([folds]),
        _heads(found),
        illustrated(
            "scores",
            "Scores",
            f"UAR with its 95 % interval over {units}. Ring: the best. Filled: heads that are not "
            f"distinguishable from it (model confidence set over {units}, p > 0.05). Heads may "
            "differ although their intervals overlap: the test pairs the predictions of the same "
            f"{units}.",
            partial(scores_figure, rows, found.best, found.chance),
        ),
        _tests(found),
    ]
    if found.nemenyi:
        words = (
            "Mean rank of each head over the speakers, by their UAR (1: best). Bars join heads "
            "nearer than the critical difference, which are not distinguishable (Nemenyi, "
            "p ≥ 0.05; Demšar 2006)."
        )
        make = partial(ranks_figure, rows, found.nemenyi, found.units)
        sections.append(illustrated("ranks", "Ranks", words, make))
    names = [f"{name} ({count})" for name, count in support(data).items()]
    recalls = [
        (row.head, *(score(one.recall) for one in row.scores.per_class.values())) for row in rows
    ]
    sections.append(Section("Classes", Table(["recall of", *names], recalls)))
    if folds.by_speaker:
        speakers = [
            (speaker, *(score(row.per_speaker[speaker]) for row in rows))
            for speaker in rows[0].per_speaker
        ]
        sections.append(Section("Speakers", Table(["UAR of", *found.heads], speakers)))
    return Page(
        title=f"Heads on {in_words(found.recipe)}",
        about=[
            ("encoder", in_words(found.recipe)),
            parts.utterances(len(data.y), data.corpora, data.classes),
            ("folds", f"{parts.folds_in_words(folds)}, the same for all"),
            *parts.findings([folds]),
            *(("left out", reason) for reason in found.left_out),
            *(("FAILED", f"{head}: {reason}") for head, reason in found.failed.items()),
        ],
        warnings=parts.warnings([folds], found.recipe),
        sections=sections,
    )


def _heads(found: Comparison) -> Section:
    """The scores of each head."""
    rows = [
        (
            row.head,
            row.features,
            f"{scored(row.scores)} {mark(found.best, index)}".rstrip(),
            *others(row.scores),
            f"{row.seconds:.1f}",
        )
        for index, row in enumerate(found.rows)
    ]
    head = ["head", "features", "UAR [95 %]", *other_labels(), "seconds"]
    intervals = f"intervals over {found.unit}"
    if found.units < FEWEST:
        intervals = f"no intervals: {found.units} {found.unit}, at least {FEWEST} are needed"
    note = (
        f"chance UAR {found.chance:.3f}; {intervals}; * best, = not distinguishable from it (model "
        f"confidence set over {found.unit}, p > {ALPHA})"
    )
    text = (
        "UAR is the mean recall of the classes. The best is the winner on these folds, so its "
        "score is a little too high. Seconds: one cross-validation, on the machine that made this "
        "page."
    )
    return Section("Heads", Table(head, rows), note, text, printed=True)


def _tests(found: Comparison) -> Section:
    """Each head compared with the best, and Friedman's test."""
    best, test, nemenyi = found.best, found.friedman, found.nemenyi
    units = f"{found.units} {found.unit}"
    rows = [
        (
            row.head,
            score(best.difference[index]) if index != best.index else "",
            score(best.p[index]) if index != best.index else "",
            *(() if row.rank is None else (f"{row.rank:.2f}",)),
        )
        for index, row in enumerate(found.rows)
    ]
    head = ["head", "below best", "p", *(["mean rank"] if len(rows[0]) > 3 else [])]
    notes = []
    if len(rows) > 1 and best.smallest_p > ALPHA:
        notes.append(f"{units} are too few to distinguish heads: p ≥ {best.smallest_p:.2g}")
    if test:
        ratio = "∞" if test.F is None else f"{test.F:.2f}"
        notes.append(
            f"Friedman χ² {test.statistic:.2f} ({test.freedom} degrees of freedom), p "
            f"{test.p:.2g}; F {ratio} ({', '.join(map(str, test.F_freedom))}), p {test.F_p:.2g}"
        )
    if nemenyi:
        notes.append(
            f"critical difference {nemenyi.critical_difference:.2f} (Nemenyi, p < {nemenyi.alpha})"
        )
    text = (
        "Below best: UAR of the best head less that of the head, and p of this difference. Mean "
        "rank: of the UAR of each speaker, which Friedman's test and Iman and Davenport's F "
        "compare. Where they find no difference, do not interpret distances between ranks."
    )
    table = Table(head, rows)
    return Section("Tests", table, "; ".join(notes), text, printed=len(rows) > 1)
