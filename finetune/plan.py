"""The plan of a fine-tuning: what it trains, and its time and memory from some measured steps."""

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import transformers

from data import console
from data.corpora import Corpus
from data.scan import seconds as lengths_of
from extract.audio import SAMPLING_RATE
from extract.encoders.checkpoint import find
from extract.encoders.encoder import Encoder, load
from finetune import parts
from finetune.batches import Loader
from finetune.inputs import Source, Values, described
from finetune.network import Network
from finetune.options import FinetuneOptions
from finetune.run import chosen
from finetune.training import Loss

STEPS = 10  # that are measured


@dataclass(frozen=True)
class Plan:
    """What a run trains, and an estimate of its time and memory."""

    encoders: int
    epochs: int
    utterances: int
    seconds: float  # of audio in the training part of an encoder, on average
    trained: int  # parameters
    rate: float  # seconds of audio trained per second
    megabytes: float  # peak memory of this process


@dataclass(frozen=True)
class _Random(Source):
    """Random values of the lengths of utterances, in place of those that are not computed yet."""

    shape: tuple[int, ...]  # of a frame

    def read(self, row: int) -> Values:
        """See `Source.read`."""
        random = np.random.default_rng(row)
        shape = (int(self.lengths[row]), *self.shape)
        return random.standard_normal(shape, np.float32)


def measure(
    corpora: Sequence[Corpus], options: FinetuneOptions, everything: bool, folds: Sequence[int]
) -> Plan:
    """Measure some steps of the first encoder on random values.

    Args:
        corpora: that are trained on.
        options: of the training.
        everything: whether an encoder is trained on all speakers, too.
        folds: those that are trained; none: all.

    Raises:
        UsageError: there are too few classes or speakers.
        EncoderError: the encoder cannot be loaded.
    """
    utterances = sorted((u for one in corpora for u in one.utterances), key=lambda one: one.id)
    known = lengths_of(corpora, True)
    utterances = [one for one in utterances if known.get(one.id)]
    duration = np.array([known[one.id] for one in utterances])
    table = described(utterances, duration.tolist(), [""] * len(utterances))
    selection, split = chosen(table, options, [one.name for one in corpora])
    listed = parts.of_folds(selection, split, options.patience, options.seed)
    transformers.set_seed(options.seed)
    encoder = load(find(options.model))
    network = Network(encoder, options, len(selection.classes or selection.targets))
    source = _source(table, duration, network, encoder)
    loader = Loader.of(source, selection, listed[0].fitted, options)
    loader = loader.for_training(options, network)
    loss = Loss(selection.y, listed[0].fitted, len(selection.classes), options)
    used = np.minimum(duration[selection.rows], options.max_seconds)
    return Plan(
        encoders=(len(folds) or len(listed)) + everything,
        epochs=options.epochs,
        utterances=len(selection.y),
        seconds=float(np.mean([used[part.fitted].sum() for part in listed])),
        trained=sum(value.numel() for value in network.parameters() if value.requires_grad),
        rate=_rate(network, loss, loader, options),
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _source(
    table: pd.DataFrame, duration: npt.NDArray, network: Network, encoder: Encoder
) -> _Random:
    identity = encoder.identity
    config, shape = encoder.model.config, tuple[int, ...]()
    rate: float = SAMPLING_RATE
    if network.reads != "waveform":
        rate = identity.frame_rate
        shape = (config.conv_dim[-1] if network.reads == "features" else config.hidden_size,)
    lengths = np.maximum(duration * rate - 1, 400 if not shape else 1).astype(np.int64)
    return _Random(table, lengths, rate, shape)


def _rate(network: Network, loss: Loss, loader: Loader, options: FinetuneOptions) -> float:
    """Seconds of audio trained per second; the first step is not counted."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device).train()
    optimizer = torch.optim.AdamW([one for one in network.parameters() if one.requires_grad])
    batches, seconds, began = loader.order(0), 0.0, time.perf_counter()
    for step in range(STEPS + 1):
        made = loader.batch(batches[step % len(batches)], 0)
        batch = {name: value.to(device) for name, value in made.items()}
        with torch.autocast(device, torch.bfloat16, enabled=options.precision == "bfloat16"):
            outputs = network(batch).float()
        loss(outputs, batch["labels"]).backward()
        optimizer.step()
        optimizer.zero_grad()
        if step:
            seconds += float(batch["lengths"].sum()) / loader.source.per_second
        else:
            began = time.perf_counter()
    return seconds / (time.perf_counter() - began)


def render(plan: Plan) -> console.Lines:
    """The plan as lines for the terminal."""
    audio = plan.encoders * plan.epochs * plan.seconds
    hours = audio / plan.rate / 3600
    took = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"
    return console.lines(
        [
            f"{plan.utterances} utterances; {plan.trained / 1e6:.2f} million parameters are "
            "trained",
            f"{plan.encoders} encoders × {plan.epochs} epochs × {plan.seconds / 3600:.2f} h of "
            f"audio = {audio / 3600:.1f} h",
            f"{plan.rate:.1f} s of audio a second in {STEPS} measured steps: about {took}, if no "
            "training stops early; frozen layers are computed before",
            f"memory of this process: {plan.megabytes:.0f} MB",
        ]
    )
