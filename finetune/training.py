"""Train one network by transformers' Trainer."""

import json
import logging
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from scipy.special import softmax
from torch.nn import functional
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from classify.stats import metrics
from classify.stats.agreement import ccc
from data.errors import HeadError
from extract.engines.torch import lacks_memory
from extract.hardware import pick_device
from finetune.batches import Loader
from finetune.network import Network, require_gradients, trained
from finetune.options import FinetuneOptions

log = logging.getLogger("wav2emo")

SAVED = 60.0  # seconds of training between checkpoints, besides those of the best epochs
STATE = "trainer_state.json"  # of a checkpoint, written last
SCORE = "stop_score"  # UAR, or CCC, of the speakers that training stops by


@dataclass(frozen=True)
class Progress:
    """State of a training after an epoch or step."""

    epoch: float
    epochs: int
    loss: float | None
    score: float | None  # of the inner speakers


class Loss:
    """The loss of a batch, and scores of predictions."""

    def __init__(self, y: npt.NDArray, fitted: npt.NDArray[np.intp], classes: int,
                 options: FinetuneOptions) -> None:  # fmt: skip
        self.classes = classes
        self.smoothing = options.label_smoothing
        weights = np.ones(max(classes, 1))
        if classes:
            counts = np.bincount(y[fitted], minlength=classes)
            if options.class_weights:
                weights = len(fitted) / np.maximum(counts, 1) / classes
        else:
            self.mean, self.scale = y[fitted].mean(0), y[fitted].std(0)
            self.scale[self.scale == 0] = 1.0
        self._weights = torch.tensor(weights, dtype=torch.float32)

    def __call__(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of outputs (utterance, output).

        Of classes, it is the cross-entropy, weighted by class and divided by the number of
        utterances, so that the mean over parts of a batch is the loss of the batch. Of numbers, it
        is 1 - concordance correlation, the mean over targets (Lin 1989; Odyssey 2024 baseline).
        """
        if self.classes:
            each = functional.cross_entropy(
                outputs, labels, reduction="none", label_smoothing=self.smoothing
            )
            return (each * self._weights.to(outputs.device)[labels]).mean()
        scaled = (labels.double().cpu().numpy() - self.mean) / self.scale
        targets = torch.from_numpy(scaled).to(outputs)
        means = outputs.mean(0), targets.mean(0)
        deviations = outputs - means[0], targets - means[1]
        together = (deviations[0] * deviations[1]).mean(0)
        spread = deviations[0].square().mean(0) + deviations[1].square().mean(0)
        return (1 - 2 * together / (spread + (means[0] - means[1]).square() + 1e-8)).mean()

    def predicted(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Probabilities (utterance, class), or numbers (utterance, target) on their own scale."""
        if not self.classes:
            return outputs * self.scale + self.mean
        return softmax(outputs, axis=1)

    def scores(
        self, part: str, y: npt.NDArray, outputs: npt.NDArray[np.float64]
    ) -> dict[str, float]:
        """Loss and scores of a part, as names of curves."""
        loss = float(self(torch.from_numpy(outputs), torch.from_numpy(y)))
        if not self.classes:
            score = float(np.nan_to_num(ccc(y, self.predicted(outputs))).mean())
            return {f"{part}_loss": loss, f"{part}_score": score}
        counts = metrics.confusion(y, outputs.argmax(1), self.classes)
        present = np.bincount(y, minlength=self.classes) > 0
        score = float(metrics.recall(counts)[present].mean())
        accuracy = float(metrics.accuracy(counts))
        return {f"{part}_loss": loss, f"{part}_accuracy": accuracy, f"{part}_uar": score,
                f"{part}_score": score}  # fmt: skip


class _Trainer(transformers.Trainer):
    """Trainer with the loss, batches and scores of this package."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        train: Loader,
        stop: Loader | None,
        watch: Callable[[Progress], None],
        **more: Any,
    ) -> None:
        self.network, self.loss, self.stop_loader, self.watch = network, loss, stop, watch
        self._saved = time.monotonic()
        self._seen: list[tuple[npt.NDArray, npt.NDArray]] = []  # outputs and labels of an epoch
        super().__init__(model=network, train_dataset=train, eval_dataset=train, **more)
        self.model_accepts_loss_kwargs = False

    def get_train_dataloader(self) -> Any:
        """The batches of this process, which must not be divided again."""
        return self.train_dataset

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save the best epochs, and others once a minute: a checkpoint may take as long as an epoch
        of few layers."""
        best = self.state.best_global_step == self.state.global_step
        if best or self.args.world_size > 1 or time.monotonic() - self._saved >= SAVED:
            super()._save_checkpoint(model, trial)
            self._saved = time.monotonic()

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> torch.Tensor:
        """The loss of a batch."""
        outputs, labels = model(inputs).float(), inputs["labels"]
        value = self.loss(outputs, labels)
        if not torch.isfinite(value):
            step = self.state.global_step + 1
            raise HeadError(
                f"the loss is {float(value.detach())} at step {step}: use a smaller --learning-rate"
                ", or a longer --warmup; the last checkpoint is kept"
            )
        self._seen.append((outputs.detach().cpu().numpy(), labels.cpu().numpy()))
        return value

    def training_step(self, *inputs: Any, **more: Any) -> torch.Tensor:
        """Compute the gradients of a batch, and report progress."""
        value = super().training_step(*inputs, **more)
        if self.state.global_step == 0:
            require_gradients(self.network)
        self._report()
        return value

    def _report(self, loss: float | None = None, score: float | None = None) -> None:
        epochs = int(self.args.num_train_epochs)
        self.watch(Progress(self.state.epoch or 0.0, epochs, loss, score))

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Scores of the epoch's training batches, under dropout, and of the inner speakers."""
        outputs, labels = (np.concatenate(parts) for parts in zip(*self._seen, strict=True))
        self._seen.clear()
        scores = self.loss.scores("train", labels, outputs.astype(np.float64))
        if self.stop_loader is not None:
            found = predict(self.network, self.stop_loader, self.args.bf16)
            scores |= self.loss.scores("stop", self.stop_loader.y[self.stop_loader.rows], found)
        scored = {f"eval_{name}": value for name, value in scores.items()}
        self.log(dict(scored))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, scored
        )
        self._report(scores["train_loss"], scores.get(SCORE))
        return scored


def train(
    network: Network,
    loss: Loss,
    loaders: tuple[Loader, Loader | None],
    options: FinetuneOptions,
    folder: Path,
    control: bool,
    device: str = "auto",
    watch: Callable[[Progress], None] = lambda progress: None,
) -> tuple[int, dict[str, list[float]]]:
    """Train a network, and go on from the last checkpoint in `folder`.

    Args:
        network: its parameters are changed.
        loss: of the training.
        loaders: batches to train on, and those of the speakers that stop it; None: all epochs are
            trained.
        options: see `FinetuneOptions`.
        folder: of checkpoints, of which the last and the best are kept.
        control: whether the encoder has random weights.
        device: ``auto`` or ``cpu``.
        watch: called after each batch and epoch.

    Returns:
        The epoch, from 1, whose parameters the network has, and curves: a value for each epoch.

    Raises:
        HeadError: the loss is not finite, or a parameter gets no gradient.
        MemoryError: a batch does not fit into memory.
        OSError: the disk is full.
    """
    rate, head_rate = options.rates(control)
    stopping = loaders[1] is not None
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=options.epochs,
        gradient_accumulation_steps=options.accumulate,
        learning_rate=rate,
        lr_scheduler_type="linear",
        warmup_steps=options.warmup,  # below 1: a share of the steps
        weight_decay=options.weight_decay,
        max_grad_norm=1.0,
        seed=options.seed,
        bf16=options.precision == "bfloat16",
        use_cpu=pick_device(device) == "cpu",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=stopping,
        metric_for_best_model=SCORE if stopping else None,
        greater_is_better=True if stopping else None,
        restore_callback_states_from_checkpoint=True,
        logging_strategy="no",
        disable_tqdm=True,
        report_to=[],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
        logging_nan_inf_filter=False,
    )
    trainer = _Trainer(
        network, loss, *loaders, watch, args=arguments,
        callbacks=[transformers.EarlyStoppingCallback(options.patience)] if stopping else [],
        optimizers=(_optimizer(network, rate, head_rate, options.weight_decay), None),
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=_last(folder))
    except RuntimeError as error:
        if lacks_memory(error):
            raise MemoryError(str(error)) from None
        raise
    network.eval()
    history: dict[str, list[float]] = {}
    for entry in trainer.state.log_history:
        for name, value in entry.items():
            if name.startswith("eval_") and not name.endswith("_score"):
                history.setdefault(name.removeprefix("eval_"), []).append(value)
    kept = (stopping and trainer.state.best_global_step) or trainer.state.global_step
    return round(kept / math.ceil(len(loaders[0]) / options.accumulate)), history


def predict(network: Network, loader: Loader, autocast: bool = False) -> npt.NDArray[np.float64]:
    """Outputs (row, output) of the utterances of a loader without a seed, in its order of rows."""
    found = np.empty(0)
    place = {row: number for number, row in enumerate(loader.rows.tolist())}
    network.eval()
    device = next(network.parameters()).device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        for rows in loader.order(0):
            batch = {name: value.to(device) for name, value in loader.batch(rows, 0).items()}
            outputs = network(batch).float().cpu().double().numpy()
            if not len(found):
                found = np.empty((len(loader.rows), outputs.shape[1]))
            found[[place[row] for row in rows.tolist()]] = outputs
    return found


def _optimizer(
    network: Network, rate: float, head_rate: float, decay: float
) -> torch.optim.Optimizer:
    """AdamW with two learning rates; biases and norms do not decay (as Trainer groups them)."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, value in trained(network):
        key = (head_rate if name.startswith("head.") else rate, decay if value.ndim > 1 else 0.0)
        groups.setdefault(key, []).append(value)
    return torch.optim.AdamW(
        [{"params": params, "lr": lr, "weight_decay": wd} for (lr, wd), params in groups.items()],
        fused=True,
    )


def _last(folder: Path) -> str | None:
    """The newest complete checkpoint; incomplete ones are removed."""
    found: dict[int, Path] = {}
    for checkpoint in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        try:
            found[json.loads((checkpoint / STATE).read_bytes())["global_step"]] = checkpoint
        except (OSError, ValueError, KeyError):
            shutil.rmtree(checkpoint)
    return str(found[max(found)]) if found else None
