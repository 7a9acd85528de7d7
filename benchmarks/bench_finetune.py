"""Fine-tuning from files to checkpoints, compared with Trainer's plain loop.

    python benchmarks/bench_finetune.py emodb [--recordings 20] [--folds 5] [--epochs 10]

The plain loop is what scripts do: ``Wav2Vec2ForSequenceClassification`` with frozen convolutions,
transformers' Trainer, padded batches of files that are decoded in each epoch, and a checkpoint
after each epoch. Ours trains on the same recordings for as many epochs, with a checkpoint after
each, and also predicts the test parts. All have batches of the same size.

``--caches`` measures instead how long ``extract --model TUNED`` takes for all recordings of the
corpus, compared with one encoder after the other by the engine that is the default.

x real time   seconds of audio in all training parts and epochs, divided by the seconds of the run
÷ plain       speed divided by that of the plain loop
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.utils.data import Dataset

from data import corpora
from data.utterance import Utterance
from extract import audio
from extract.__main__ import main as extract_main
from extract.encoders.checkpoint import find
from extract.encoders.encoder import load
from finetune import FinetuneOptions, finetune

METHODS = ("full", "encoder", "lora", "top:4", "top:2")


def plain(
    utterances: Sequence[Utterance], options: FinetuneOptions, folds: int, folder: Path
) -> None:
    """Train by Trainer and the model of transformers."""
    labels = sorted({str(one.emotion) for one in utterances})
    base = load(find(options.model)).model
    base.save_pretrained(folder / "base")
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    parts = np.array_split(np.arange(len(utterances)), folds)

    class Recordings(Dataset):
        def __init__(self, rows: Sequence[int]) -> None:
            self.rows = list(rows)

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, number: int) -> dict:
            one = utterances[self.rows[number]]
            samples = audio.read(one.file).waveform
            return {"input_values": samples, "labels": labels.index(str(one.emotion))}

    def collate(items: list[dict]) -> dict:
        samples = [item["input_values"] for item in items]
        batch = extractor(samples, sampling_rate=16_000, padding=True, return_tensors="pt")
        return {**batch, "labels": torch.tensor([item["labels"] for item in items])}

    for number, test in enumerate(parts):
        train = np.setdiff1d(np.arange(len(utterances)), test)
        model = transformers.Wav2Vec2ForSequenceClassification.from_pretrained(
            folder / "base", num_labels=len(labels)
        )
        model.freeze_feature_encoder()
        arguments = transformers.TrainingArguments(
            str(folder / f"plain-{number}"),
            num_train_epochs=options.epochs,
            per_device_train_batch_size=8,
            learning_rate=1e-5,
            bf16=options.precision == "bfloat16",
            save_strategy="epoch",
            save_total_limit=1,
            logging_strategy="no",
            disable_tqdm=True,
            report_to=[],
        )
        trainer = transformers.Trainer(
            model, arguments, data_collator=collate, train_dataset=Recordings(train),
            eval_dataset=Recordings(test),
        )  # fmt: skip
        trainer.train()
        model.save_pretrained(folder / f"plain-{number}" / "last")


def ours(
    utterances: Sequence[Utterance], options: FinetuneOptions, folds: int, folder: Path
) -> None:
    """Train by this package."""
    finetune(utterances, folder / options.method.replace(":", ""), replace(options, folds=folds))


def caches(corpus: Path, model: Path, folds: int, folder: Path) -> tuple[float, float]:
    """Seconds for the caches of all folds: by one encoder after the other, and together."""
    shared = [str(corpus), "--device", "cpu", "-q"]
    encoders = [
        ["--model", str(model / f"fold-{n}"), "-o", str(folder / f"{n}.h5")] for n in range(folds)
    ]
    seconds = []
    for commands in (encoders, [["--model", str(model), "-o", str(folder / "together")]]):
        began = time.perf_counter()
        for command in commands:
            assert extract_main([*shared, *command]) == 0
        seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", default="untrained")
    parser.add_argument("--recordings", type=int, default=20)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--caches", action="store_true")
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    chosen = _some(corpora.read(args.corpus).utterances, args.recordings, args.folds)
    seconds = sum(audio.read(one.file).seconds for one in chosen)
    trained = seconds * (args.folds - 1) * args.epochs
    options = FinetuneOptions(
        model=args.model, epochs=args.epochs, patience=0, precision=args.precision
    )
    print(f"{len(chosen)} recordings, {seconds:.0f} s; {args.folds} folds, {args.epochs} epochs")
    if args.caches:
        print(
            "| method | one by one, s | together, s | ratio |\n| --- | --- | --- | --- |",
            flush=True,
        )
        for method in args.methods:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                ours(chosen, replace(options, method=method), args.folds, folder)
                tuned = folder / method.replace(":", "")
                alone, together = caches(args.corpus, tuned, args.folds, folder)
            print(
                f"| `{method}` | {alone:.0f} | {together:.0f} | {alone / together:.2f} |",
                flush=True,
            )
        return
    print("| method | s | × real time | ÷ plain |\n| --- | --- | --- | --- |", flush=True)
    runs: dict[str, Callable[[Path], None]] = {
        "plain loop, convolutions frozen": lambda folder: plain(chosen, options, args.folds, folder)
    }
    for method in args.methods:
        of_method = replace(options, method=method)
        runs[f"`{method}`"] = lambda folder, one=of_method: ours(chosen, one, args.folds, folder)
    first = 0.0
    for name, run in runs.items():
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            run(Path(folder))
            took = time.perf_counter() - began
        first = first or took
        print(f"| {name} | {took:.0f} | {trained / took:.1f} | {first / took:.2f} |", flush=True)


def _some(utterances: Sequence[Utterance], number: int, folds: int) -> list[Utterance]:
    """Recordings of two emotions, as many of each speaker, of two speakers a fold."""
    two = [one for one in utterances if one.emotion in ("anger", "happiness", "W", "F")]
    speakers = sorted({str(one.speaker) for one in two})[: 2 * folds]
    each = -(-number // len(speakers) // 2)
    return [
        one
        for speaker in speakers
        for emotion in sorted({str(one.emotion) for one in two})
        for one in [u for u in two if u.speaker == speaker and u.emotion == emotion][:each]
    ]


if __name__ == "__main__":
    main()
