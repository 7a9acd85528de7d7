"""Fine-tune one encoder per fold, and score each on speakers that it was not trained on."""

import copy
import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import transformers
from accelerate import PartialState

from classify.dataset import Selection, log_kind, select
from classify.evaluation import scheduling
from classify.evaluation.classes import ClassOutcome
from classify.evaluation.crossvalidate import CrossValidation, FoldResult
from classify.evaluation.division import divide
from classify.evaluation.folds import Folds
from classify.evaluation.numbers import NumberOutcome
from classify.heard import require_unheard
from classify.options import Options
from data.cache.recipe import EVERYTHING
from data.errors import EncoderError, UsageError
from data.utterance import Utterance
from extract.decoding import Refusal
from extract.encoders import trained_on
from extract.encoders.checkpoint import find
from extract.encoders.encoder import Encoder, load
from extract.hardware import pick_device
from extract.pipeline import Settings
from extract.recordings import recordings
from finetune import inputs, parts, training
from finetune.batches import Loader
from finetune.inputs import Source
from finetune.network import Network, require_tunable
from finetune.options import FinetuneOptions
from finetune.parts import Parts
from finetune.store import ACTIVATIONS, Result, Store, disk_errors, require_free
from finetune.training import Loss, Progress

log = logging.getLogger("wav2emo")


@dataclass(frozen=True)
class Watch:
    """Functions that `finetune` calls with the progress."""

    begun: Callable[[Parts, int], None] = lambda part, steps: None  # an encoder of so many steps
    progress: Callable[[Progress], None] = lambda progress: None
    done: Callable[[Parts, Result], None] = lambda part, result: None


@dataclass(frozen=True)
class Tuned:
    """Encoders, and the scores of all folds together."""

    options: FinetuneOptions
    encoder: str  # name of the base model
    selection: Selection
    folds: Folds
    results: dict[str, Result]  # name of the folder → result, of those that are complete
    refused: list[Refusal]

    @property
    def missing(self) -> list[str]:
        """Folds that are not complete."""
        names = (f"fold-{number}" for number in range(len(self.folds)))
        return [name for name in names if name not in self.results]

    @cached_property
    def outcome(self) -> ClassOutcome | NumberOutcome:
        """Scores of the heads that were trained with the encoders, when no fold is missing."""
        results = [self.results[f"fold-{number}"] for number in range(len(self.folds))]
        width = len(self.selection.classes or self.selection.targets)
        output = np.empty((1, len(self.selection.y), width))
        for (_, test), result in zip(self.folds.parts, results, strict=True):
            output[0, test] = result.outputs
        fits = [[FoldResult(one.outputs, one.history, one.epoch) for one in results]]
        found = CrossValidation(self.folds.fold, output, fits)
        kind = ClassOutcome if self.selection.classes else NumberOutcome
        return kind.of(self.selection, self.folds, found)


def finetune(
    utterances: Sequence[Utterance],
    out: str | Path,
    options: FinetuneOptions | None = None,
    *,
    only: Sequence[str] = (),
    everything: bool = False,
    activations: Path | None = None,
    device: str = "auto",
    settings: Settings | None = None,
    watch: Watch | None = None,
    distribute: bool = True,
) -> Tuned:
    """Fine-tune an encoder for each fold, on the speakers that the fold does not test.

    After an interruption, the next call continues from the last epoch. Complete folds are kept.

    Args:
        utterances: for example ``data.corpora.read("corpora/emodb").utterances``.
        out: folder to make or to continue.
        options: model, method, target, folds, ….
        only: folders of the encoders to train, such as ``fold-3``; none: all of them.
        everything: whether to train also one encoder, ``all``, on all speakers.
        activations: cache of the outputs of frozen layers; None: in the folder. Runs of the same
            encoder and corpora may share it.
        device: ``auto`` or ``cpu``.
        settings: threads, and the longest utterance.
        watch: called with the progress.
        distribute: whether the workers of a scheduler train, where there is one (see
            `classify.evaluation.scheduling`); they need the folders under the same paths.

    Raises:
        EncoderError: the encoder cannot be loaded.
        UsageError: the folder has another run, or the corpora do not suffice.
        HeadError: the training diverges.
        CacheError, OSError: activations or checkpoints cannot be written.
    """
    options, settings = options or FinetuneOptions(), settings or Settings()
    out, watch = Path(out), watch or Watch()
    require_free(out)
    state = PartialState(cpu=pick_device(device) == "cpu")
    encoder = load(find(options.model))
    require_tunable(encoder)
    reads = options.what.frozen(encoder.identity.depth)
    cache = activations or out / ACTIVATIONS
    source: Source
    with state.main_process_first():
        if reads == "waveform":
            source, refused = inputs.waveforms(utterances, encoder, settings)
        else:
            cache.parent.mkdir(parents=True, exist_ok=True)
            source, refused = inputs.activations(
                utterances, options.model, encoder, reads, cache, device, settings
            )
    selection, folds = chosen(source.utterances, options, [*{u.corpus for u in utterances}])
    store = Store(out, _about(options, encoder, selection, folds))
    if state.is_main_process:
        store.begin()
    listed = parts.of_folds(selection, folds, options.patience, options.seed)
    if everything:
        listed.append(parts.of_all(selection, folds.by_speaker, options.patience, options.seed))
    names = [part.name for part in listed]
    if unknown := [name for name in only if name not in names]:
        raise UsageError(f"no {unknown[0]}; there are {', '.join(names)}")
    missing = {
        part.name: part
        for part in listed
        if store.result(part.name) is None and (not only or part.name in only)
    }
    if scheduling.client() is not None and distribute:
        plain = replace(settings, watch=Settings().watch)
        given = {"utterances": utterances, "out": out, "options": options, "activations": cache,
                 "device": device, "settings": plain}  # fmt: skip
        for name, result in scheduling.spread(_on_worker, missing, given):
            watch.done(missing[name], result)
        missing = {}
    wanted = {*selection.utterances["id"]}
    of_selection = [utterance for utterance in utterances if utterance.id in wanted]
    run = _Run(
        encoder,
        source,
        selection,
        options,
        store,
        device,
        watch,
        state,
        of_selection,
        settings.threads,
    )
    if missing:
        run.require_unheard()
    for part in missing.values():
        with disk_errors(out):
            watch.done(part, run.train(part))
    results = {part.name: store.result(part.name) for part in listed}
    tuned = Tuned(
        options,
        encoder.identity.name,
        selection,
        folds,
        {name: result for name, result in results.items() if result is not None},
        refused,
    )
    if not tuned.missing and state.is_main_process:
        store.finish(tuned.outcome.as_json())
    return tuned


def _on_worker(given: dict[str, Any], name: str) -> tuple[str, Result]:
    """Train one encoder in a process of a scheduler."""
    found = finetune(**given, only=[name], everything=name == EVERYTHING, distribute=False)
    return name, found.results[name]


def chosen(
    table: pd.DataFrame, options: FinetuneOptions, corpora: Sequence[str]
) -> tuple[Selection, Folds]:
    """The utterances of a table that have a target, and their folds.

    Raises:
        UsageError: there are too few classes or speakers, or given folds share speakers or
            recordings, or do not train on all that they do not test.
    """
    wanted = Options(
        cache=Path(", ".join(sorted(corpora))), labels=options.labels, target=options.target,
        folds=options.folds, seed=options.seed, allow_heard=True,  # see `_Run.require_unheard`
    )  # fmt: skip
    log_kind(table, wanted)
    selection, folds = divide(select(table, wanted), wanted)
    _require_partition(selection, folds, options)
    return selection, folds


def _require_partition(selection: Selection, folds: Folds, options: FinetuneOptions) -> None:
    """Require of given folds what heads on caches by fold take for granted."""
    if not folds.audit:
        return
    leaks = [name for name in ("speaker", "recording")
             if (overlap := folds.audit.overlap[name]) and overlap.shared]  # fmt: skip
    whole = all(len(train) + len(test) == len(selection.y) for train, test in folds.parts)
    lacking = any(fold.untrained for fold in folds.audit.folds)
    if leaks or lacking or not whole or len(folds.tested) < len(selection.y):
        found = f"{folds.audit.leaks}. " if leaks else ""
        raise UsageError(
            f"--folds {options.folds}: {found}Fine-tuning needs folds that test every utterance "
            "once, train on all others and on every class, and share no speaker or recording; "
            "'python -m classify' takes other folds"
        )


@dataclass(frozen=True)
class _Run:
    """State that the trainings of all encoders share."""

    encoder: Encoder  # the base model, which is not changed
    source: Source
    selection: Selection
    options: FinetuneOptions
    store: Store
    device: str
    watch: Watch
    state: PartialState
    utterances: Sequence[Utterance]  # those of the selection
    threads: int

    @cached_property
    def before(self) -> pd.DataFrame | None:
        """The recordings that the base model was trained on; None if they are not known."""
        location = self.encoder.identity.location
        return None if location is None else trained_on.read(Path(location))

    @cached_property
    def recordings(self) -> pd.DataFrame:
        """The columns of `trained_on` but for the role, of all utterances."""
        table, refused = recordings(self.utterances, self.threads)
        if refused:
            raise EncoderError(
                f"{refused[0].utterance.file}: {refused[0].reason}; it was read before the "
                "training: restore it, and run the same command again"
            )
        return table

    def require_unheard(self) -> None:
        """Require that the base model was not trained on the utterances.

        Raises:
            UsageError: it was.
        """
        if self.before is None:
            return
        role, by_id = trained_on.Heard(self.before).role, {one.id: one for one in self.utterances}
        rows = self.recordings.itertuples()
        roles = [role(by_id[row.id], row.sha256, row.fingerprint) for row in rows]
        advice = "Begin with an encoder that was not trained on them"
        require_unheard(self.recordings.assign(heard=roles), allowed=False, advice=advice)

    def train(self, part: Parts) -> Result:
        """Train one encoder, predict its test part, and keep both."""
        began = time.monotonic()
        options, selection = self.options, self.selection
        transformers.set_seed(options.seed)
        encoder = replace(self.encoder, model=copy.deepcopy(self.encoder.model))
        network = Network(encoder, options, len(selection.classes or selection.targets))
        loss = Loss(selection.y, part.fitted, len(selection.classes), options)
        fitted, stopped, tested = (
            Loader.of(self.source, selection, rows, options)
            for rows in (part.fitted, part.stopped, part.tested)
        )
        train = fitted.for_training(
            options, network, self.state.process_index, self.state.num_processes
        )
        steps = -(-len(train) // options.accumulate)
        self.watch.begun(part, options.epochs * steps)
        epoch, history = training.train(
            network,
            loss,
            (train, stopped if len(part.stopped) else None),
            options,
            self.store.training(part.name),
            encoder.identity.control,
            self.device,
            self.watch.progress,
        )
        outputs = np.empty((0, 0))
        if len(part.tested):
            outputs = loss.predicted(training.predict(network, tested))
        network.to("cpu")
        result = Result(epoch, time.monotonic() - began, history, outputs)
        if self.state.is_main_process:
            ids = selection.utterances["id"]
            role = dict.fromkeys(ids.iloc[part.fitted], "fitted")
            role |= dict.fromkeys(ids.iloc[part.stopped], "stopped by")
            heard = self.recordings.assign(role=self.recordings["id"].map(role)).dropna()
            if self.before is not None:
                heard = pd.concat([self.before, heard]).drop_duplicates("id", keep="last")
            self.store.keep(part.name, encoder, network, selection.classes, heard, result)
        self.state.wait_for_everyone()
        return result


def _about(
    options: FinetuneOptions, encoder: Encoder, selection: Selection, folds: Folds
) -> dict[str, Any]:
    """Everything that determines the weights."""
    identity = encoder.identity
    table = selection.utterances
    rows = zip(table["id"], table["sha256"], map(str, selection.truth.tolist()), strict=True)
    lines = "\n".join("\0".join(row) for row in rows)
    rate, head_rate = options.rates(identity.control)
    return {
        "base": {
            "model": identity.name, "revision": identity.revision, "weights": identity.weights,
            "architecture": identity.architecture, "control": identity.control,
        },
        "options": options.as_json() | {
            "learning_rate": rate, "head_learning_rate": head_rate, "mask_time": options.masked,
            "model": identity.name,
        },
        "classes": list(selection.classes),
        "targets": list(selection.targets),
        "split": folds.kind,
        "folds": [
            {"speakers": sorted(set(selection.speakers[test])) if folds.by_speaker else [],
             "utterances": len(test), "tested": table["id"].iloc[test].tolist()}
            for _, test in folds.parts
        ],
        "corpora": selection.corpora,
        "utterances": hashlib.sha256(lines.encode()).hexdigest(),
    }  # fmt: skip
