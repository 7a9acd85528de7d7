"""A probe as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from classify.formats import Json, counted, other_labels, others, score, scored, signed
from classify.report.curve_figures import BASELINES
from classify.report.page import (
    UNTRAINED,
    Page,
    Section,
    Table,
    anchor,
    illustrated,
    made,
    per_class,
    render,
)
from classify.report.probe_text import spans
from classify.report.published import CITATIONS, anchors
from classify.report.style import Illustration
from classify.stats.metrics import METRICS
from data.cache.recipe import encoder_in_words

AUDIT = Markup(
    'The audit found what may make these curves untrue: see <a href="#audit-failed">below</a>.'
)
Column = tuple[str, list[object]]  # of a table: its head and a cell a layer


def html(found: Json, figures: Sequence[Illustration], folder: Path) -> str:
    """The page of ``probe.json`` as HTML, with the figures that lie in `folder` inside of it."""
    targets = found["targets"]
    layers = len(next(iter(targets.values()))["layers"])
    warnings = {UNTRAINED: found["control"], AUDIT: not found["audit"]["passed"]}
    sections = [_targets(found), *illustrated(figures)]
    if published := _published(found):
        curves = [figure.name for figure in figures].index("curves")
        sections.insert(curves + 2, published)
    for name, target in targets.items():
        sections += _layers(name, target)
    files = (
        "<code>probe.json</code> has every number, <code>predictions.csv</code> every prediction. "
        "Every figure is there as PNG and as SVG."
    )
    more: dict[str, object] = {"command": Markup("<code>{}</code>").format(found["command"])}
    if against := found.get("similarity", {}).get("against"):
        more["layers compared with"] = (
            f"{against['encoders'][1]}: {against['utterances']} of {against['of']} utterances are "
            "in both caches"
        )
    page = Page(
        title=f"Probe of {encoder_in_words(found)}",
        lead=f"{found['utterances']} utterances ({counted(found['corpora'])}), {layers} layers, "
        f"{found['options']['head']}",
        warnings=[text for text, holds in warnings.items() if holds],
        sections=[*sections, *_audit(found), made(found, more, files)],
    )
    return render(page, folder)


def _targets(found: Json) -> Section:
    targets = found["targets"]
    nested = any("selection" in target for target in targets.values())
    rows = []
    for name, target in targets.items():
        best = target["best"]
        top = next(row for row in target["layers"] if row["layer"] == best["layer"])
        equals = spans([layer for layer in best["equals"] if layer != best["layer"]]) or "none"
        link = Markup('<a href="#{}">{}</a>').format(anchor(_heading(name)), name)
        row = [link, len(target["classes"]), score(target["chance"]), best["layer"], scored(top),
               equals]  # fmt: skip
        if chosen := target.get("selection"):
            row += [scored(chosen), signed(chosen["optimism"])]
        rows.append(row)
    head = ["target", "classes", "chance", "best layer", "UAR [95 %]", "not distinguishable"]
    text = (
        "UAR is the mean recall of the classes. Intervals are of 95 % over speakers; below four "
        "speakers there are none. Not distinguishable: other layers that the test does not tell "
        "from the best (model confidence set over speakers, p > 0.05)."
    )
    if nested:
        head += ["nested choice [95 %]", "optimism"]
        text += (
            " The nested choice takes layer and C by the training part of each fold alone; its "
            "score is the one to quote."
        )
    return Section("Targets", table=Table(head, rows), text=text)


def _published(found: Json) -> Section | None:
    rows = []
    for one in anchors(found):
        address = CITATIONS[one.source]
        link = Markup('<a href="{}">{}</a>').format(address, one.source) if address else one.source
        layer = "all" if one.layer is None else one.layer
        rows.append((link, score(one.score), one.measure, layer, one.protocol))
    head = ["published, wav2vec2-base frozen", "score", "of", "layer", "protocol"]
    table = Table(head, rows, words=True)
    return Section("Published scores", table=table, level=3) if rows else None


def _heading(name: str) -> str:
    return f"{name.capitalize()}, layer by layer"


def _layers(name: str, target: Json) -> list[Section]:
    """The table of a target's layers, and those of its baselines, classes and speakers."""
    columns = _columns(target)
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    text = (
        f"{target['utterances']} utterances, {len(target['classes'])} classes; "
        f"{target['folds']['kind']} ({target['folds']['count']} folds); features: "
        f"{target['pooling']}; C: {target['C']}; majority {score(target['majority']['uar'])}."
    )
    if (smallest := target["best"]["smallest_p"]) > 0.05:
        text += f" So few speakers do not distinguish layers: no p can be below {smallest:.3f}."
    found = target.get("controls", {})
    if control := found.get("control"):
        apart = control["difference"]
        bounds = f" [{', '.join(map(signed, apart['ci95']))}]" if apart["ci95"] else ""
        text += (
            f" The nested choice is {signed(apart['uar'])}{bounds} above that of the "
            f"{encoder_in_words(control)} (p {score(apart['p'])})."
        )
    sections = [
        Section(_heading(name), table=Table([head for head, _ in columns], rows), text=text)
    ]
    if baselines := [(title, found[key]) for key, title in BASELINES.items() if key in found]:
        rows = [(title, scored(row), *others(row)) for title, row in baselines]
        table = Table(["features", "UAR [95 %]", *other_labels()], rows)
        sections.append(Section("Without a model", table=table, level=3))
    if chosen := target.get("selection"):
        table = per_class(chosen["per_class"])
        sections.append(Section("Classes, by the nested choice", table=table, level=3))
        if name != "speaker":
            labels = [metric.label for metric in METRICS.values()]
            rows = [
                (speaker, *(score(row[key]) for key in METRICS), row["utterances"])
                for speaker, row in chosen["per_speaker"].items()
            ]
            table = Table(["speaker", *labels, "utterances"], rows)
            sections.append(Section("Speakers, by the nested choice", table=table, level=3))
    return sections


def _columns(target: Json) -> list[Column]:
    """The columns of the table of layers; those of controls only where there are some."""
    rows, found = target["layers"], target.get("controls", {})
    compared = {row["layer"]: row for row in target["best"]["compared"]}
    against = [compared.get(row["layer"]) for row in rows]
    bold = [Markup("{}" if other else "<b>{}</b>") for other in against]
    columns: list[Column] = [
        ("layer", [row["layer"] for row in rows]),
        ("UAR [95 %]", [each.format(scored(row)) for each, row in zip(bold, rows, strict=True)]),
        *zip(other_labels(), map(list, zip(*map(others, rows), strict=True)), strict=True),
        ("below best", [score(other["difference"]) if other else "best" for other in against]),
        ("p", [score(other["p"]) if other else "" for other in against]),
    ]

    def add(head: str, others: Sequence[Json], key: str, form: Any) -> None:
        by_layer = {other["layer"]: form(other[key]) for other in others}
        columns.append((head, [by_layer.get(row["layer"], "") for row in rows]))

    if shuffled := found.get("shuffled"):
        add("shuffled", shuffled["layers"], "uar", score)
        add("selectivity", shuffled["layers"], "selectivity", signed)
    if control := found.get("control"):
        add(encoder_in_words(control), control["layers"], "uar", score)
    if removed := target.get("removed"):
        add(f"without {removed['what']}", removed["layers"], "uar", score)
    if lengths := target.get("description_length"):
        add("bits", lengths, "bits", "{:.0f}".format)
        add("compression", lengths, "compression", "{:.2f}".format)
    return columns


def _audit(found: Json) -> list[Section]:
    audit = found["audit"]
    failed = Markup('<span class="fail">fail</span>')
    rows = [
        (check["check"], check["target"], failed if check["status"] == "fail" else check["status"],
         check["detail"])
        for check in audit["checks"]
    ]  # fmt: skip
    rows += [("target", name, "skipped", why) for name, why in found["skipped"].items()]
    fitted = [(row["what"], row["where"]) for row in audit["fitted"]]
    return [
        Section(
            f"Audit: {'passed' if audit['passed'] else 'failed'}",
            table=Table(["check", "target", "status", "found"], rows, words=True),
        ),
        Section("What was fitted where", table=Table((), fitted, words=True), level=3),
    ]
