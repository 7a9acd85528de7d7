"""A comparison of heads as a page."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from classify.compare.result import Comparison
from classify.formats import counted, other_labels, others, score, scored
from classify.report import folds_section
from classify.report.page import (
    UNKNOWN_SPEAKERS,
    Page,
    Section,
    Table,
    illustrated,
    made,
    render,
)
from classify.report.style import Illustration
from classify.stats.tests import ALPHA
from classify.studies.results import support
from data.cache.recipe import in_words

UNTRAINED = (
    "The encoder is an untrained control: its weights are random. Which head is best here may not "
    "be the best on a pretrained encoder."
)


def html(found: Comparison, figures: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    rows, data, folds = found.rows, found.selection, found.folds
    warnings = {UNTRAINED: found.recipe.get("control"), UNKNOWN_SPEAKERS: not folds.by_speaker}
    recalls = Table(
        ["recall of", *(f"{name} ({count})" for name, count in support(data).items())],
        [(row.head, *(score(one.recall) for one in row.scores.per_class.values())) for row in rows],
    )
    sections = [
        *folds_section.sections([folds]),
        _heads(found),
        *illustrated(figures),
        _ranks(found),
        Section("Classes", table=recalls),
    ]
    if folds.by_speaker:
        speakers = [
            (speaker, *(score(row.per_speaker[speaker]) for row in rows))
            for speaker in rows[0].per_speaker
        ]
        table = Table(["UAR of", *found.heads], speakers)
        sections.append(Section("Speakers", table=table))
    files = ("<code>predictions.csv</code> has every prediction, <code>compare.json</code> every "
             "number. Every figure is there as PNG and as SVG.")  # fmt: skip
    page = Page(
        title=f"Heads on {in_words(found.recipe)}",
        lead=f"{len(data.y)} utterances ({counted(data.corpora)}), {len(data.classes)} classes, "
        f"{folds.kind} ({len(folds)} folds, the same for all heads)",
        warnings=folds_section.warnings([folds])
        + [text for text, holds in warnings.items() if holds]
        + [
            Markup("<b>{}</b> failed and is left out: {}").format(head, reason)
            for head, reason in found.failed.items()
        ],
        sections=[*sections, made(found.options.as_json(), found.fingerprint, {}, files)],
    )
    return render(page, folder)


def _heads(found: Comparison) -> Section:
    best, units = found.best, found.unit
    rows = []
    for index, row in enumerate(found.rows):
        words = Markup("<b>{}</b>" if index in best.equals else "{}").format(scored(row.scores))
        other = index != best.index
        rank = "" if row.rank is None else f"{row.rank:.2f}"
        rows.append((
            row.head if other else f"{row.head} (best)", words, *others(row.scores),
            score(best.difference[index]) if other else "", score(best.p[index]) if other else "",
            rank, f"{row.seconds:.1f}", row.features,
        ))  # fmt: skip
    head = ["head", "UAR [95 %]", *other_labels(), "below best", "p", "mean rank",
            "seconds", "features"]  # fmt: skip
    text = (
        f"UAR is the mean recall of the classes; chance is {found.chance:.3f}. Intervals are of "
        f"95 % over {units}; below four of them there are none. Bold: heads that are not "
        f"distinguishable from the best (model confidence set over {units}, p > 0.05). The best is "
        "the winner on these folds, so its score is a little too high. Seconds: one "
        "cross-validation, on the machine that made this page."
    )
    if len(rows) > 1 and best.smallest_p > ALPHA:
        text += (
            f" So few {units} do not distinguish heads: no p can be below {best.smallest_p:.3f}."
        )
    return Section("Heads", table=Table(head, rows), text=text)


def _ranks(found: Comparison) -> Section:
    """Friedman's test, or why it is left out."""
    test = found.friedman
    if not test:
        return Section("Tests of ranks", text=f"Left out: {'; '.join(found.left_out)}.")
    ratio = "∞" if test.F is None else f"{test.F:.2f}"
    freedom = ", ".join(map(str, test.F_freedom))
    text = (
        f"Friedman's test over {found.units} speakers: χ² {test.statistic:.2f} ({test.freedom} "
        f"degrees of freedom), p {test.p:.2g}; Iman and Davenport's F {ratio} ({freedom}), p "
        f"{test.F_p:.2g}. Where it finds no difference, do not interpret distances between ranks."
    )
    return Section("Tests of ranks", text=text)
