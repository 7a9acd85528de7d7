"""The report of a probe."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from markupsafe import Markup

from classify.formats import brief, mark, other_labels, others, score, scored, signed, spans
from classify.probing.checks import FAIL, NOTE, OK
from classify.probing.result import LayerScores, NestedScores, Probe, TargetResult
from classify.probing.similarity import Similarity
from classify.report import folder, parts
from classify.report.curve_figures import (
    BASELINES,
    curves_figure,
    description_length_figure,
    targets_figure,
)
from classify.report.elements import heat_map, wrapped
from classify.report.page import Page, Row, Section, Table, illustrated
from classify.report.panel_figures import maps_figure
from classify.report.published import CITATIONS, Anchor, fitting
from classify.report.row_figures import selection_figure, speakers_figure
from classify.report.style import SEQUENTIAL
from classify.report.write import Report
from classify.stats.intervals import FEWEST
from classify.stats.metrics import METRICS, recall
from classify.stats.tests import ALPHA
from data.cache.recipe import in_words

AUDIT = Markup(
    'The audit found what may make these curves untrue: see <a href="#audit-failed">below</a>.'
)


def report(found: Probe) -> Report:
    """The report of a probe."""
    options = found.options
    caches = {"cache": options.cache, "control": options.control, "against": options.against}
    places = {name: place and str(place.absolute()) for name, place in caches.items()}
    return Report(
        name="probe",
        result=folder.PROBE,
        page=_page(found),
        metrics=found.metrics,
        predictions=found.predictions(),
        options=options.as_json() | places,
        seed=options.seed,
        fingerprint=found.fingerprint,
    )


def _page(found: Probe) -> Page:
    targets, first = list(found.targets.values()), found.first
    folds = [target.task.folds for target in targets]
    published = fitting(found.corpora, first.name, len(first.task.classes), first.numbers)
    sections = [
        *parts.audit_of(folds),
        _curves(targets),
        _curves_figure(found, published),
        *_published(published),
        _targets(targets),
        *_controls(targets),
    ]
    if first.nested:
        sections += _of_choice(targets, first, first.nested)
    sections += _more_figures(found)
    for target in targets:
        sections += _layers(target)
    warnings = parts.warnings(folds, found.recipe)
    return Page(
        title=f"Probe of {in_words(found.recipe)}",
        about=[
            ("encoder", f"{in_words(found.recipe)}, {first.pooling}"),
            parts.utterances(found.utterances, found.corpora),
            *_folds(targets),
            *parts.findings(folds),
            *(("skipped", f"{name}: {why}") for name, why in found.skipped.items()),
            ("audit", "passed" if found.audit.passed else "FAILED"),
        ],
        warnings=[*warnings, *[AUDIT] * (not found.audit.passed)],
        sections=[*sections, *_audit(found)],
    )


def _folds(targets: Sequence[TargetResult]) -> list[Row]:
    kinds = defaultdict(list)
    for target in targets:
        folds = target.task.folds
        kinds[f"{folds.kind} ({len(folds)}); C: {target.C}"].append(target.name)
    return [("folds", f"{', '.join(names)}: {kind}") for kind, names in kinds.items()]


def _curves(targets: Sequence[TargetResult]) -> Section:
    """A row for each layer, a column for each target."""
    rows = [
        (
            layer,
            *(
                f"{brief(target.layers[index].scores)}{mark(target.best, index)}"
                for target in targets
            ),
        )
        for index, layer in enumerate(targets[0].numbers)
    ]
    intervals = f"(no intervals: fewer than {FEWEST} speakers)"
    if any(row.scores.interval for target in targets for row in target.layers):
        intervals = "[95 % interval over speakers]"
    note = f"UAR {intervals}; * best, = not distinguishable from it"
    head = ["layer", *(target.name for target in targets)]
    return Section("Layers", Table(head, rows), note, printed=True)


def _targets(targets: Sequence[TargetResult]) -> Section:
    rows = []
    for target in targets:
        row = [target.name, len(target.task.classes), score(target.chance),
               score(target.majority.uar), target.top.layer, score(target.top.scores.uar),
               spans(target.equals) or "none"]  # fmt: skip
        if nested := target.nested:
            row += [scored(nested.scores), spans(sorted(nested.votes)), signed(nested.optimism)]
        rows.append(row)
    head = ["target", "classes", "chance", "majority", "best layer", "UAR", "not distinguishable"]
    note = f"not distinguishable: from the best (model confidence set, p > {ALPHA})"
    few = {
        target.name: f"p ≥ {target.best.smallest_p:.2g}"
        for target in targets
        if target.best.smallest_p > ALPHA
    }
    if few:
        words = ", ".join(f"{name} {least}" for name, least in few.items())
        note += f"; too few speakers to distinguish layers: {words}"
    text = (
        "UAR is the mean recall of the classes. Intervals are of 95 % over speakers; below four "
        "speakers there are none."
    )
    if targets[0].nested:
        head += ["nested choice [95 %]", "of layers", "optimism"]
        text += (
            " The nested choice takes layer and C by the training part of each fold alone; its "
            "score is the one to quote. Optimism: by how much that of the best layer is too high."
        )
    return Section("Targets", Table(head, rows), note, text, printed=True)


def _controls(targets: Sequence[TargetResult]) -> list[Section]:
    """The table of controls and baselines."""
    rows = [(target.name, *row) for target in targets for row in _controls_of(target)]
    head = ["target", "compared with", "UAR", "layer", "remark"]
    note = (
        "layer: the best one on the test parts; for shuffled labels, the best one of the true "
        "labels"
    )
    return [Section("Controls", Table(head, rows, words=True), note, printed=True)] if rows else []


def _controls_of(target: TargetResult) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        (f"{name} alone", *_best(layers), "") for name, layers in target.poolings.items()
    ]
    rows += [
        (BASELINES.get(name, name), scored(row.scores), "", "without a model")
        for name, row in target.baselines.items()
    ]
    if shuffled := target.shuffled:
        row = shuffled.layers[target.best.index]
        rows.append(("shuffled labels", f"{row.uar:.3f} ± {row.deviation:.3f}", row.layer,
                     f"selectivity {signed(row.selectivity)}, p {row.p:.3f}"))  # fmt: skip
    if removed := target.removed:
        how = "transductive" if removed.transductive else ""
        rows.append((f"without the {removed.what}", *_best(removed.layers), how))
    if control := target.control:
        apart = control.difference
        bounds = f" [{', '.join(map(signed, apart.interval))}]" if apart.interval else ""
        rows.append((
            in_words(control.recipe), *_best(control.layers),
            f"same {len(target.task.folds.tested)} utterances; nested choice less the control's "
            f"{signed(apart.uar)}{bounds}, p {apart.p:.3f}",
        ))  # fmt: skip
    if lengths := target.description_length:
        short = min(lengths, key=lambda row: row.bits)
        rows.append((
            "description length", "", short.layer,
            f"shortest: {short.bits:.0f} of {short.uniform_bits:.0f} bits, compression "
            f"{short.compression:.2f}",
        ))  # fmt: skip
    return rows


def _best(rows: Sequence[LayerScores]) -> tuple[str, object]:
    """Score and number of the layer that is best on test."""
    row = max(rows, key=lambda row: row.scores.uar)
    return scored(row.scores), row.layer


def _published(published: Sequence[Anchor]) -> list[Section]:
    rows = []
    for one in published:
        address = CITATIONS[one.source]
        link = Markup('<a href="{}">{}</a>').format(address, one.source) if address else one.source
        layer = "all" if one.layer is None else one.layer
        rows.append((link, score(one.score), one.measure, layer, one.protocol))
    head = ["published, wav2vec2-base frozen", "score", "of", "layer", "protocol"]
    return [Section("Published scores", Table(head, rows, words=True), level=3)] if rows else []


def _layers(target: TargetResult) -> list[Section]:
    """The table of a target's layers, and those of its baselines, classes and speakers."""
    columns, task = _columns(target), target.task
    rows = list(zip(*columns.values(), strict=True))
    text = (
        f"{len(task.folds.tested)} utterances, {len(task.classes)} classes; {task.folds.kind} "
        f"({len(task.folds)} folds); features: {target.pooling}; C: {target.C}."
    )
    title = f"{target.name.capitalize()}, layer by layer"
    sections = [Section(title, Table([*columns], rows), text=text)]
    if target.baselines:
        rows = [
            (BASELINES.get(name, name), scored(row.scores), *others(row.scores))
            for name, row in target.baselines.items()
        ]
        table = Table(["features", "UAR [95 %]", *other_labels()], rows)
        sections.append(Section("Without a model", table, level=3))
    if nested := target.nested:
        table = parts.per_class(nested.scores.per_class)
        sections.append(Section("Classes, by the nested choice", table, level=3))
        if target.name != "speaker":
            labels = [metric.label for metric in METRICS.values()]
            rows = [
                (speaker, *map(score, own.values.values()), own.utterances)
                for speaker, own in nested.per_speaker.items()
            ]
            table = Table(["speaker", *labels, "utterances"], rows)
            sections.append(Section("Speakers, by the nested choice", table, level=3))
    return sections


def _columns(target: TargetResult) -> dict[str, Sequence[object]]:
    """Heads and cells of the table of layers; columns of controls only where there are some."""
    best, scores = target.best, [row.scores for row in target.layers]
    compared = [index != best.index for index in range(len(scores))]
    columns: dict[str, Sequence[object]] = {
        "layer": target.numbers,
        "UAR [95 %]": [f"{scored(one)} {mark(best, n)}" for n, one in enumerate(scores)],
        **dict(zip(other_labels(), zip(*map(others, scores), strict=True), strict=True)),
        "below best": [
            score(d) if c else "" for d, c in zip(best.difference, compared, strict=True)
        ],
        "p": [score(p) if c else "" for p, c in zip(best.p, compared, strict=True)],
    }

    def add(head: str, by_layer: Mapping[int | None, float], form: Callable[[float], str]) -> None:
        columns[head] = [form(by_layer[n]) if n in by_layer else "" for n in target.numbers]

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
    """The checks, each with the targets that have the same result; passed ones by themselves."""
    grouped: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in found.audit.checks:
        grouped[one.check, one.detail, one.status].append(one.target)
    found_of: dict[str, list[tuple[str, ...]]] = {FAIL: [], NOTE: [], OK: []}
    for (check, detail, status), targets in grouped.items():
        found_of[status].append((check, ", ".join(targets), detail))
    rows = [("FAIL", *row) for row in found_of[FAIL]] + [("note", *row) for row in found_of[NOTE]]
    bad = {check for _, check, *_ in rows}
    passed = dict.fromkeys(check for check, *_ in found_of[OK] if check not in bad)
    head = ["check", "targets", "found"]
    return [
        Section(
            f"Audit: {'passed' if found.audit.passed else 'failed'}",
            Table(["audit", *head], rows, words=True) if rows else None,
            note=f"passed: {', '.join(passed)}" if passed else "",
            printed=True,
        ),
        Section("What was fitted where", Table(["fitted", "where"], found.audit.fitted, words=True),
                level=3, printed=True),
        Section("Passed checks", Table(head, found_of[OK], words=True), level=3),
    ]  # fmt: skip


def _curves_figure(found: Probe, published: Sequence[Anchor]) -> Section:
    words = (
        "UAR on held-out folds by hidden layer (0: input of the first transformer layer). Bands: "
        "95 % intervals over speakers."
    )
    if found.first.nested:
        words += f" Grey: controls of {found.first.name}."
    if published:
        words += " White markers: published scores by other protocols, which are not comparable."
    make = partial(curves_figure, list(found.targets.values()), published)
    return illustrated("curves", "Every layer", words, make)


def _of_choice(
    targets: Sequence[TargetResult], first: TargetResult, nested: NestedScores
) -> list[Section]:
    name = first.name
    recalls = np.stack([recall(row.scores.confusion) for row in first.layers], axis=1)
    classes = [f"{one} ({count})" for one, count in first.top.scores.support.items()]
    return [
        illustrated(
            "targets",
            "Targets and their controls",
            "A panel for each target. Ring: the layer best on test. Filled: layers that are "
            "not distinguishable from it (model confidence set over speakers, p > 0.05).",
            partial(targets_figure, targets),
        ),
        illustrated(
            "selection",
            "Nested choice of the layer",
            "Left: layer and C chosen inside of each training part (filled), beside the layer "
            "best on test (open); the distance is its optimism. Right: the layers chosen.",
            partial(selection_figure, targets),
        ),
        parts.confusion(nested.scores, f"Confusion of {name}", "By the nested choice. "),
        illustrated(
            "recall",
            f"Classes of {name}",
            "Recall of each class on each layer.",
            partial(
                heat_map,
                recalls,
                classes,
                [*map(str, first.numbers)],
                "recall",
                xlabel="hidden layer",
                ylabel="class (utterances)",
            ),
        ),
        illustrated(
            "speakers",
            f"{name.capitalize()} by speaker",
            "UAR of each speaker by the nested choice; dashed: of all utterances.",
            partial(speakers_figure, nested, first.chance),
        ),
    ]


def _more_figures(found: Probe) -> list[Section]:
    """Description length, similarities and maps, as far as they were asked for."""
    targets, sections = list(found.targets.values()), []
    if any(target.description_length for target in targets):
        words = (
            "Length of the labels' online code (Voita and Titov 2020) as a share of the uniform "
            "code's: the shorter, the easier the labels are read from the layer, and from the "
            "fewer examples. Band: one deviation over orders of the speakers."
        )
        make = partial(description_length_figure, targets)
        sections.append(illustrated("description_length", "Description length", words, make))
    if found.similarities:
        sections.append(_similarity("similarity", "Layers alike", found.similarities.layers))
        if against := found.similarities.against:
            sections.append(_similarity("against", "Encoders alike", against))
    if found.maps and found.maps.maps:
        words = (
            f"Standardised features of layer {found.maps.layer}, coloured by {found.first.name} "
            "and by speaker. PCA and t-SNE do not know the labels. The discriminants were fitted "
            "to half of the speakers; the others are drawn."
        )
        make = partial(maps_figure, found.maps, found.first.task)
        title = f"Layer {found.maps.layer} as a map"
        sections.append(illustrated("maps", title, words, make))
    return sections


def _similarity(name: str, title: str, found: Similarity) -> Section:
    count = str(found.utterances)
    if found.utterances < found.of:
        count += f" (of {found.of}: those in both caches)"
    words = f"Linear CKA (Kornblith et al. 2019), debiased, on {count} utterances."
    own = found.encoders[0] == found.encoders[1]
    ylabel, xlabel = ("hidden layer" if own else f"layer of {one}" for one in found.encoders)
    lowest = np.floor(10 * np.nanmin(found.values, initial=1.0)) / 10
    rows, columns = (list(map(str, layers)) for layers in found.layers)
    make = partial(
        heat_map, found.values, rows, columns, "linear CKA, debiased",
        xlabel=wrapped([xlabel], 40)[0], ylabel=wrapped([ylabel], 30)[0], colours=SEQUENTIAL,
        low=min(max(0.0, lowest), 0.9), upward=True,
    )  # fmt: skip
    return illustrated(name, title, words, make)
