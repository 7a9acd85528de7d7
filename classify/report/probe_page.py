"""A probe as a page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from classify.formats import counted, other_labels, others, score, scored, signed
from classify.probing.audit import FAIL
from classify.probing.result import Probe, TargetResult
from classify.report import folds_section
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
from classify.stats.tests import ALPHA
from data.cache.recipe import in_words

AUDIT = Markup(
    'The audit found what may make these curves untrue: see <a href="#audit-failed">below</a>.'
)
Column = tuple[str, list[object]]  # of a table: its head and a cell a layer


def html(found: Probe, figures: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    warnings = {UNTRAINED: found.recipe.get("control"), AUDIT: not found.audit.passed}
    folds = [target.task.folds for target in found.targets.values()]
    sections = [*folds_section.sections(folds), _targets(found), *illustrated(figures)]
    if published := _published(found):
        curves = [figure.name for figure in figures].index("curves")
        sections.insert(len(sections) - len(figures) + curves + 1, published)
    for target in found.targets.values():
        sections += _layers(target)
    files = (
        "<code>probe.json</code> has every number, <code>predictions.csv</code> every prediction. "
        "Every figure is there as PNG and as SVG."
    )
    more: dict[str, object] = {"command": Markup("<code>{}</code>").format(found.command)}
    if found.similarities and (against := found.similarities.against):
        more["layers compared with"] = (
            f"{against.encoders[1]}: {against.utterances} of {against.of} utterances are in both "
            "caches"
        )
    page = Page(
        title=f"Probe of {in_words(found.recipe)}",
        lead=f"{found.utterances} utterances ({counted(found.corpora)}), "
        f"{len(found.first.layers)} layers, {found.options.head}",
        warnings=[
            *folds_section.warnings(folds),
            *(text for text, holds in warnings.items() if holds),
        ],
        sections=[
            *sections,
            *_audit(found),
            made(found.options.as_json(), found.fingerprint, more, files),
        ],
    )
    return render(page, folder)


def _targets(found: Probe) -> Section:
    rows = []
    for name, target in found.targets.items():
        link = Markup('<a href="#{}">{}</a>').format(anchor(_heading(name)), name)
        row = [link, len(target.task.classes), score(target.chance), target.top.layer,
               scored(target.top.scores), spans(target.equals) or "none"]  # fmt: skip
        if target.nested:
            row += [scored(target.nested.scores), signed(target.nested.optimism)]
        rows.append(row)
    head = ["target", "classes", "chance", "best layer", "UAR [95 %]", "not distinguishable"]
    text = (
        "UAR is the mean recall of the classes. Intervals are of 95 % over speakers; below four "
        "speakers there are none. Not distinguishable: other layers that the test does not tell "
        "from the best (model confidence set over speakers, p > 0.05)."
    )
    if found.first.nested:
        head += ["nested choice [95 %]", "optimism"]
        text += (
            " The nested choice takes layer and C by the training part of each fold alone; its "
            "score is the one to quote."
        )
    return Section("Targets", table=Table(head, rows), text=text)


def _published(found: Probe) -> Section | None:
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


def _layers(target: TargetResult) -> list[Section]:
    """The table of a target's layers, and those of its baselines, classes and speakers."""
    columns, task = _columns(target), target.task
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    text = (
        f"{len(task.folds.tested)} utterances, {len(task.classes)} classes; {task.folds.kind} "
        f"({len(task.folds)} folds); features: {target.pooling}; C: {target.C}; majority "
        f"{score(target.majority.uar)}."
    )
    if (smallest := target.best.smallest_p) > ALPHA:
        text += f" So few speakers do not distinguish layers: no p can be below {smallest:.3f}."
    if control := target.control:
        apart = control.difference
        bounds = f" [{', '.join(map(signed, apart.interval))}]" if apart.interval else ""
        text += (
            f" The nested choice is {signed(apart.uar)}{bounds} above that of the "
            f"{in_words(control.recipe)} (p {score(apart.p)})."
        )
    sections = [
        Section(_heading(target.name), table=Table([head for head, _ in columns], rows), text=text)
    ]
    if target.baselines:
        rows = [
            (BASELINES.get(name, name), scored(row.scores), *others(row.scores))
            for name, row in target.baselines.items()
        ]
        table = Table(["features", "UAR [95 %]", *other_labels()], rows)
        sections.append(Section("Without a model", table=table, level=3))
    if nested := target.nested:
        table = per_class(nested.scores.per_class)
        sections.append(Section("Classes, by the nested choice", table=table, level=3))
        if target.name != "speaker":
            labels = [metric.label for metric in METRICS.values()]
            rows = [
                (speaker, *map(score, own.values.values()), own.utterances)
                for speaker, own in nested.per_speaker.items()
            ]
            table = Table(["speaker", *labels, "utterances"], rows)
            sections.append(Section("Speakers, by the nested choice", table=table, level=3))
    return sections


def _columns(target: TargetResult) -> list[Column]:
    """The columns of the table of layers; those of controls only where there are some."""
    best, rows = target.best, target.layers
    compared = [index != best.index for index in range(len(rows))]
    bold = [Markup("{}" if other else "<b>{}</b>") for other in compared]
    columns: list[Column] = [
        ("layer", list(target.numbers)),
        ("UAR [95 %]", [f.format(scored(row.scores)) for f, row in zip(bold, rows, strict=True)]),
        *zip(
            other_labels(),
            map(list, zip(*(others(row.scores) for row in rows), strict=True)),
            strict=True,
        ),
        (
            "below best",
            [score(d) if c else "best" for d, c in zip(best.difference, compared, strict=True)],
        ),
        ("p", [score(p) if c else "" for p, c in zip(best.p, compared, strict=True)]),
    ]

    def add(head: str, by_layer: Mapping[int | None, float], form: Callable[[float], str]) -> None:
        cells = [form(by_layer[n]) if n in by_layer else "" for n in target.numbers]
        columns.append((head, list(cells)))

    if target.shuffled:
        of_layers = target.shuffled.layers
        add("shuffled", {row.layer: row.uar for row in of_layers}, score)
        add("selectivity", {row.layer: row.selectivity for row in of_layers}, signed)
    if control := target.control:
        add(in_words(control.recipe), {r.layer: r.scores.uar for r in control.layers}, score)
    if removed := target.removed:
        add(f"without {removed.what}", {r.layer: r.scores.uar for r in removed.layers}, score)
    if lengths := target.description_length:
        add("bits", {row.layer: row.bits for row in lengths}, "{:.0f}".format)
        add("compression", {row.layer: row.compression for row in lengths}, "{:.2f}".format)
    return columns


def _audit(found: Probe) -> list[Section]:
    failed = Markup('<span class="fail">fail</span>')
    rows = [
        (one.check, one.target, failed if one.status == FAIL else one.status, one.detail)
        for one in found.audit.checks
    ]
    rows += [("target", name, "skipped", why) for name, why in found.skipped.items()]
    return [
        Section(
            f"Audit: {'passed' if found.audit.passed else 'failed'}",
            table=Table(["check", "target", "status", "found"], rows, words=True),
        ),
        Section("What was fitted where", table=Table((), found.audit.fitted, words=True), level=3),
    ]
