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
from finetune.network import Network, trained
from finetune.options import FinetuneOptions
from finetune.run import chosen
from finetune.training import Loss

STEPS = 10  # that are measured


@dataclass(frozen=True)
class _Random(Source):
    """Random values of the lengths of utterances, in place of those that are not computed yet."""

    shape: tuple[int, ...]  # of a frame

    def read(self, row: int) -> Values:
        """See `Source.read`."""
        random = np.random.default_rng(row)
        shape = (int(self.lengths[row]), *self.shape)
        return random.standard_normal(shape, np.float32)


def plan(
    corpora: Sequence[Corpus], options: FinetuneOptions, everything: bool, folds: Sequence[int]
) -> console.Lines:
    """Measure some steps of the first encoder on random values; describe the run in lines.

    Args:
        corpora: that are trained on.
        options: of the training.
        everything: whether an encoder is trained on all speakers, too.
        folds: those that are trained; none: all.

    Raises:
        UsageError: there are too few classes or speakers.
        EncoderError: the encoder cannot be loaded.
    """
    known = lengths_of(corpora, True)
    listed = (one for corpus in corpora for one in corpus.utterances if known.get(one.id))
    utterances = sorted(listed, key=lambda one: one.id)
    duration = np.array([known[one.id] for one in utterances])
    table = described(utterances, duration.tolist(), [""] * len(utterances))
    selection, split = chosen(table, options, [one.name for one in corpora])
    all_parts = parts.of_folds(selection, split, options.patience, options.seed)
    transformers.set_seed(options.seed)
    encoder = load(find(options.model))
    network = Network(encoder, options, len(selection.classes or selection.targets))
    fitted = all_parts[0].fitted
    loader = Loader.of(_source(table, duration, network, encoder), selection, fitted, options)
    loss = Loss(selection.y, fitted, len(selection.classes), options)
    rate = _rate(network, loss, loader.for_training(options, network), options)

    used = np.minimum(duration[selection.rows], options.max_seconds)
    each = float(np.mean([used[part.fitted].sum() for part in all_parts]))  # seconds of audio
    encoders = (len(folds) or len(all_parts)) + everything
    audio = encoders * options.epochs * each
    hours = audio / rate / 3600
    took = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"
    parameters = sum(value.numel() for _, value in trained(network))
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return console.lines(
        [
            f"{len(selection.y)} utterances; {parameters / 1e6:.2f} million parameters are trained",
            f"{encoders} encoders × {options.epochs} epochs × {each / 3600:.2f} h of audio = "
            f"{audio / 3600:.1f} h",
            f"{rate:.1f} s of audio a second in {STEPS} measured steps: about {took}, if no "
            "training stops early; frozen layers are computed before",
            f"memory of this process: {megabytes:.0f} MB",
        ]
    )


def _source(
    table: pd.DataFrame, duration: npt.NDArray, network: Network, encoder: Encoder
) -> _Random:
    config, rate, shape = encoder.model.config, encoder.identity.frame_rate, tuple[int, ...]()
    if network.reads == "waveform":
        rate = SAMPLING_RATE
    else:
        shape = (config.conv_dim[-1] if network.reads == "features" else config.hidden_size,)
    lengths = np.maximum(duration * rate - 1, 1 if shape else 400).astype(np.int64)
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
