"""Extraction from files on disk to the packed cache, compared with plain transformers.

    python benchmarks/bench_extract.py ravdess emodb [--files 24] [--rounds 5] [--json FILE]

Every setting has a process of its own, which loads wav2vec2-base (random weights) once; then they
work in turns, so that a machine's moods meet all of them. Baselines:

naive    transformers, float32, one file at a time, mean over frames of every layer
padded   the same in batches of 8 with an attention mask: numbers depend on what was batched
plain    the same encoder as one OpenVINO graph without masks, one file at a time

Prints one table a corpus: × real time; the ratios to naive and to the plain graph of the same
precision (median over the rounds of the ratios within a round); peak memory; the worst relative
error and cosine of any layer of any utterance against naive; and how much of the engine's pure
forward speed on the same batches remains. The last line is the limit that this machine's matrix
products set.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import soundfile

from data import Cache, corpora
from data.utterance import Utterance

GFLOP_PER_SECOND = 14  # of audio, wav2vec2-base
PADDED_BATCH = 8
THREADS = min(8, os.cpu_count() or 1)  # that decode, as in the command
BASELINES = ("naive", "padded")
PLAIN = "plain graph, "

Means = dict[str, np.ndarray]  # id → (layer, dim)


@dataclass(frozen=True)
class Setting:
    """One row."""

    name: str
    device: str = "cpu"
    engine: str = "torch"
    precision: str = "float32"
    layers: str = "all"


@dataclass
class Round:
    """What a process did with all files once."""

    seconds: float
    forward: float | None  # seconds of the engine alone on the same batches
    megabytes: float  # at the peak so far
    means: Means


def settings(device: str) -> list[Setting]:
    """The rows that this machine can show."""
    if device != "cpu":
        exact = Setting("ours, float32", device)
        return [Setting("naive", device), Setting("padded", device), exact,
                Setting("ours, bfloat16", device, precision="bfloat16")]  # fmt: skip
    from extract.hardware import multiplies_bfloat16

    rows = [Setting("naive"), Setting("padded")]
    for precision in ("float32", "bfloat16") if multiplies_bfloat16() else ("float32",):
        rows.append(Setting(f"{PLAIN}{precision}", precision=precision))
        for engine in ("torch", "openvino"):
            rows.append(Setting(f"{engine}, {precision}", engine=engine, precision=precision))
    return [*rows, Setting("openvino, float32, layers 0-6", engine="openvino", layers="0-6")]


def baseline(setting: Setting) -> Callable[[list[Utterance], Path], Round]:
    """transformers as most scripts use it."""
    import torch
    import transformers

    from extract import audio
    from extract.encoders.encoder import untrained_model
    from extract.engines.torch import disable_tf32

    disable_tf32()  # on a GPU, convolutions would be in TF32
    model = untrained_model("untrained").to(setting.device)
    size = PADDED_BATCH if setting.name == "padded" else 1
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)

    def run(utterances: list[Utterance], folder: Path) -> Round:
        began = time.perf_counter()
        means: Means = {}
        for start in range(0, len(utterances), size):
            batch = utterances[start : start + size]
            waveforms = [audio.read(u.file, None, None, 600.0, 400, None).waveform for u in batch]
            inputs = extractor(waveforms, sampling_rate=16_000, padding=True, return_tensors="pt")
            mask = inputs.attention_mask.to(setting.device) if size > 1 else None
            with torch.inference_mode():
                values = inputs.input_values.to(setting.device)
                states = model(values, attention_mask=mask, output_hidden_states=True).hidden_states
            for row, utterance in enumerate(batch):
                count = int(model._get_feat_extract_output_lengths(len(waveforms[row])))
                means[utterance.id] = np.stack(
                    [state[row, :count].mean(0).cpu().numpy() for state in states]
                )
        np.savez(
            folder / "features.npz", **{name.replace("/", "_"): m for name, m in means.items()}
        )
        return Round(time.perf_counter() - began, None, 0, means)

    return run


def plain(setting: Setting) -> Callable[[list[Utterance], Path], Round]:
    """An OpenVINO graph as `openvino.convert_model` makes it."""
    import torch

    from extract import audio
    from extract.encoders.encoder import untrained_model
    from extract.engines.openvino import DEVICE, PRECISIONS, openvino

    class Layers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = untrained_model("untrained")

        def forward(self, samples: torch.Tensor) -> torch.Tensor:
            states = self.model(samples, output_hidden_states=True).hidden_states
            return torch.stack([state.mean(1) for state in states])

    shape = [openvino.PartialShape([1, -1])]
    graph = openvino.convert_model(Layers().eval(), example_input=torch.zeros(1, 16_000),
                                   input=shape)  # fmt: skip
    hint = {"INFERENCE_PRECISION_HINT": PRECISIONS[setting.precision]}
    request = openvino.Core().compile_model(graph, DEVICE, hint).create_infer_request()

    def run(utterances: list[Utterance], folder: Path) -> Round:
        began = time.perf_counter()
        means: Means = {}
        for utterance in utterances:
            recording = audio.read(utterance.file, None, None, 600.0, 400, None)
            (result,) = request.infer([audio.normalise(recording.waveform)[None]]).values()
            means[utterance.id] = result[:, 0].copy()
        np.savez(
            folder / "features.npz", **{name.replace("/", "_"): m for name, m in means.items()}
        )
        return Round(time.perf_counter() - began, None, 0, means)

    return run


def ours(setting: Setting) -> Callable[[list[Utterance], Path], Round]:
    """`python -m extract` without the start of Python."""
    from extract.decoding import Decoded, decode
    from extract.embedder import by_length, windows
    from extract.engines import open_engine
    from extract.pipeline import Settings, extract
    from extract.recipe import Request

    request = Request(setting.layers, precision=setting.precision, engine=setting.engine)
    engine = open_engine("untrained", request, setting.device)

    def run(utterances: list[Utterance], folder: Path) -> Round:
        began = time.perf_counter()
        extract(utterances, engine, folder / "c.h5", Settings(threads=THREADS))
        seconds = time.perf_counter() - began
        decoded = [d for u in utterances if isinstance(d := decode(u, engine, 600.0), Decoded)]
        batches = [
            [one.waveform for one in batch]
            for window in windows(decoded, engine.batch_seconds)
            for batch in by_length(window, engine.batch_seconds)
        ]
        began = time.perf_counter()
        for batch in batches:
            engine.embed(batch)
        forward = time.perf_counter() - began
        with Cache(folder / "c.h5") as cache:
            values = cache.embeddings("mean")
            means = {name: values[:, row] for row, name in enumerate(cache.utterances["id"])}
        return Round(seconds, forward, 0, means)

    return run


def work(setting: Setting, utterances: dict[str, list[Utterance]], pipe: Connection) -> None:
    """A process: prepare, then run a corpus whenever its name comes through the pipe."""
    made = plain if setting.name.startswith(PLAIN) else ours
    run = (baseline if setting.name in BASELINES else made)(setting)
    with tempfile.TemporaryDirectory() as folder:
        for warm in utterances.values():
            (Path(folder) / "warm").mkdir(exist_ok=True)
            run(warm[:1], Path(folder) / "warm")
        pipe.send("ready")
        for number, corpus in enumerate(iter(pipe.recv, None)):
            own = Path(folder) / str(number)
            own.mkdir()
            done = run(utterances[corpus], own)
            status = Path("/proc/self/status").read_text()
            done.megabytes = int(status.partition("VmHWM:")[2].split()[0]) / 1024
            pipe.send(done)


def limit(device: str) -> float:
    """GFLOP/s of float32 matrix products of the encoder's largest shape: the best of ten."""
    import torch

    hidden, weight = (torch.randn(n, 768, device=device) for n in (1600, 3072))
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        torch.nn.functional.linear(hidden, weight)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return 2 * 1600 * 768 * 3072 / min(seconds) / 1e9


def difference(got: Means, expected: Means) -> tuple[float, float]:
    """The largest relative error and the smallest cosine, over utterances and layers."""
    errors, cosines = [], []
    for name, reference in expected.items():
        ref = reference[: len(got[name])]
        norms = np.linalg.norm(ref, axis=1)
        errors.append((np.linalg.norm(got[name] - ref, axis=1) / norms).max())
        product = (got[name] * ref).sum(1) / np.linalg.norm(got[name], axis=1) / norms
        cosines.append(product.min())
    return float(max(errors)), float(min(cosines))


def summary(rounds: dict[str, list[Round]], audio_seconds: float) -> list[dict[str, object]]:
    """The rows of a corpus's table."""
    naive = rounds["naive"]
    rows = []
    for name, done in rounds.items():
        error, cosine = difference(done[0].means, naive[0].means)
        rows.append({
            "setting": name,
            "times_real_time": audio_seconds / min(r.seconds for r in done),
            "ratio": _ratio(naive, done),
            "of_plain_graph": _ratio(rounds.get(PLAIN + name.split(", ")[1], []), done)
            if name.startswith(("torch", "openvino")) else None,
            "peak_megabytes": max(r.megabytes for r in done),
            "relative_error": error,
            "cosine": cosine,
            "of_pure_forward": _best_share(done),
        })  # fmt: skip
    return rows


def _ratio(others: list[Round], done: list[Round]) -> float | None:
    """How many times as fast as others, the median over rounds."""
    pairs = zip(others, done, strict=False)
    ratios = [other.seconds / own.seconds for other, own in pairs]
    return float(np.median(ratios)) if ratios else None


def _best_share(done: list[Round]) -> float | None:
    forward = [r.forward for r in done if r.forward is not None]
    return min(forward) / min(r.seconds for r in done) if forward else None


def chosen(root: str, count: int) -> tuple[str, list[Utterance]]:
    """A corpus's name and `count` utterances spread over it, in its order."""
    corpus = corpora.read(root)
    utterances = corpus.utterances
    step = max(1, len(utterances) // count)
    return corpus.name, list(utterances[::step][:count])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    utterances = dict(chosen(root, args.files) for root in args.corpora)
    context = multiprocessing.get_context("spawn")
    workers = {}
    for setting in settings(args.device):
        here, there = context.Pipe()
        context.Process(target=work, args=(setting, utterances, there), daemon=True).start()
        assert here.recv() == "ready"
        workers[setting.name] = here
    found = {}
    for corpus, listed in utterances.items():
        rounds: dict[str, list[Round]] = {name: [] for name in workers}
        for _ in range(args.rounds):
            for name, pipe in workers.items():
                pipe.send(corpus)
                rounds[name].append(pipe.recv())
        found[corpus] = summary(rounds, sum(soundfile.info(u.file).duration for u in listed))
        print(f"\n{corpus}: {len(listed)} recordings, {args.rounds} rounds, {args.device}")
        print("| setting | × real time | ÷ naive | ÷ plain graph | MB | relative error | cosine "
              "| of forward |")  # fmt: skip
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for row in found[corpus]:
            pure = f"{row['of_pure_forward']:.0%}" if row["of_pure_forward"] else ""
            graph = f"{row['of_plain_graph']:.2f}" if row["of_plain_graph"] else ""
            print(
                f"| {row['setting']} | {row['times_real_time']:.1f} | {row['ratio']:.2f} | "
                f"{graph} | "
                f"{row['peak_megabytes']:.0f} | {row['relative_error']:.1e} | "
                f"{row['cosine']:.6f} | {pure} |"
            )
    gflops = limit(args.device)
    print(f"\nlimit: {gflops:.0f} GFLOP/s in float32 = {gflops / GFLOP_PER_SECOND:.1f} × real time")
    for pipe in workers.values():
        pipe.send(None)
    if args.json:
        result = {"limit_gflops": gflops, "corpora": found}
        args.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
