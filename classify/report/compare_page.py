"""A comparison of heads as a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from classify.formats import Json, counted, other_labels, others, score, scored
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
from data.cache.recipe import encoder_in_words

UNTRAINED = (
    "The encoder is an untrained control: its weights are random. Which head is best here may not "
    "be the best on a pretrained encoder."
)


def html(
    found: Json, seconds: Mapping[str, float], figures: Sequence[Illustration], folder: Path
) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it.

    Args:
        found: ``compare.json``.
        seconds: head → duration of its cross-validation.
        figures: in `folder`.
        folder: of the run.
    """
    heads, classes = found["heads"], found["classes"]
    warnings = {UNTRAINED: found["control"], UNKNOWN_SPEAKERS: not found["folds"]["by_speaker"]}
    recalls = Table(
        ["recall of", *(f"{name} ({found['support'][name]})" for name in classes)],
        [
            (row["head"], *(score(row["per_class"][name]["recall"]) for name in classes))
            for row in heads
        ],
    )
    sections = [_heads(found, seconds), *illustrated(figures), _ranks(found),
                Section("Classes", table=recalls)]  # fmt: skip
    if found["folds"]["by_speaker"]:
        rows = [
            (speaker, *(score(row["per_speaker"][speaker]) for row in heads))
            for speaker in heads[0]["per_speaker"]
        ]
        table = Table(["UAR of", *(row["head"] for row in heads)], rows)
        sections.append(Section("Speakers", table=table))
    files = ("<code>predictions.csv</code> has every prediction, <code>compare.json</code> every "
             "number. Every figure is there as PNG and as SVG.")  # fmt: skip
    page = Page(
        title=f"Heads on {encoder_in_words(found)}",
        lead=f"{found['utterances']} utterances ({counted(found['corpora'])}), {len(classes)} "
        f"classes, {found['folds']['kind']} ({found['folds']['count']} folds, the same for all "
        "heads)",
        warnings=[text for text, holds in warnings.items() if holds]
        + [
            Markup("<b>{}</b> failed and is left out: {}").format(head, reason)
            for head, reason in found["failed"].items()
        ],
        sections=[*sections, made(found, {}, files)],
    )
    return render(page, folder)


def _heads(found: Json, seconds: Mapping[str, float]) -> Section:
    best, units = found["best"], found["units"]["what"]
    compared = {row["head"]: row for row in best["compared"]}
    rows = []
    for row in found["heads"]:
        name, against = row["head"], compared.get(row["head"])
        words = Markup("<b>{}</b>" if name in best["equals"] else "{}").format(scored(row))
        rank = "" if row["rank"] is None else f"{row['rank']:.2f}"
        rows.append((
            name if against else f"{name} (best)", words,
            *others(row), score(against["difference"]) if against else "",
            score(against["p"]) if against else "", rank, f"{seconds[name]:.1f}", row["features"],
        ))  # fmt: skip
    head = ["head", "UAR [95 %]", *other_labels(), "below best", "p", "mean rank",
            "seconds", "features"]  # fmt: skip
    text = (
        f"UAR is the mean recall of the classes; chance is {found['chance']:.3f}. Intervals are of "
        f"95 % over {units}; below four of them there are none. Bold: heads that are not "
        f"distinguishable from the best (model confidence set over {units}, p > 0.05). The best is "
        "the winner on these folds, so its score is a little too high. Seconds: one "
        "cross-validation, on the machine that made this page."
    )
    if best["compared"] and best["smallest_p"] > 0.05:
        text += (
            f" So few {units} do not distinguish heads: no p can be below {best['smallest_p']:.3f}."
        )
    return Section("Heads", table=Table(head, rows), text=text)


def _ranks(found: Json) -> Section:
    """Friedman's test, or why it is left out."""
    test = found["friedman"]
    if not test:
        return Section("Tests of ranks", text=f"Left out: {'; '.join(found['left_out'])}.")
    ratio = "∞" if test["F"] is None else f"{test['F']:.2f}"
    freedom = ", ".join(map(str, test["F_freedom"]))
    text = (
        f"Friedman's test over {found['units']['count']} speakers: χ² {test['statistic']:.2f} "
        f"({test['freedom']} degrees of freedom), p {test['p']:.2g}; Iman and Davenport's F "
        f"{ratio} ({freedom}), p {test['F_p']:.2g}. Where it finds no difference, do not interpret "
        "distances between ranks."
    )
    return Section("Tests of ranks", text=text)
