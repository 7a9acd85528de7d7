"""Compare the outputs of an exported graph, in every installed runtime, with those of the model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from classify.inference.predictor import Predictor
from data.errors import ModelError
from extract.audio import SAMPLING_RATE, Waveform
from extract.decoding import Refusal

TOLERANCE = 1e-4
SECONDS = (0.1, 0.5, 1.6, 4.0)  # of noise, beside the shortest that the encoder takes
LOUDNESS = 0.1  # deviation of the noise
BATCH = 8  # recordings that are padded together, or fewer, but two:
BATCH_SECONDS = 60.0  # of padded audio that suit most memories
SILENCE = 1_000  # samples of padding after the longest, which change nothing

Values = npt.NDArray[np.floating]
Run = Callable[[Mapping[str, npt.NDArray]], Values]  # of signal and lengths, to logits


@dataclass(frozen=True)
class Deviation:
    """Largest differences between the outputs of a runtime and of the model.

    Deviations of logits (for a regression, of numbers) beyond ±1 are relative.
    """

    runtime: str  # its name and version
    probabilities: float  # 0 of a regression
    logits: float

    @property
    def holds(self) -> bool:
        return self.probabilities <= TOLERANCE and self.logits <= TOLERANCE  # NaN does not

    def __str__(self) -> str:
        shares = f"probabilities by {self.probabilities:.1e}, " if self.probabilities else ""
        return f"{shares}logits by {self.logits:.1e}"


def noise(shortest: int) -> list[Waveform]:
    """Seeded noise of different lengths, beginning with the shortest that the encoder accepts."""
    random = np.random.default_rng(0)
    lengths = [shortest, *(round(seconds * SAMPLING_RATE) for seconds in SECONDS)]
    return [random.normal(0, LOUDNESS, length).astype(np.float32) for length in lengths]


def check(content: bytes, predictor: Predictor, waveforms: Sequence[Waveform]) -> list[Deviation]:
    """Run an ONNX graph on (sample,) waveforms at 16 kHz, each alone and padded together, and
    compare its outputs with the predictor's.

    Raises:
        ModelError: a runtime cannot run the graph, or its outputs differ.
    """
    expected = answers(predictor, waveforms)
    found = []
    for name, start in runtimes():
        try:
            run = start(content)
            logits = np.concatenate([run(batch) for batch in batches(waveforms)])
        except Exception as error:  # its type depends on the runtime
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"{name} cannot run the graph: {reason}; nothing was written"
            ) from error
        agreement = compare(name, logits, np.tile(expected, (2, 1)), bool(predictor.model.classes))
        if not agreement.holds:
            raise ModelError(
                f"{name} gives other answers than the model: {agreement}; expected "
                f"{TOLERANCE:.0e} at most; nothing was written"
            )
        found.append(agreement)
    return found


def answers(predictor: Predictor, waveforms: Sequence[Waveform]) -> Values:
    """(waveform, class) probabilities, or numbers (waveform, target)."""
    rows = []
    for answer in predictor.waveforms(waveforms):
        if isinstance(answer, Refusal):
            raise ModelError(f"the model refuses a recording of the check: {answer.reason}")
        rows.append(list((answer.numbers or answer.probabilities).values()))
    return np.array(rows)


def batches(waveforms: Sequence[Waveform]) -> Iterator[dict[str, npt.NDArray]]:
    """Inputs of the graph for each waveform alone, and then for batches."""
    for waveform in waveforms:
        yield {"signal": waveform[None], "lengths": np.array([len(waveform)])}
    longest = max(map(len, waveforms)) / SAMPLING_RATE
    size = max(2, min(BATCH, int(BATCH_SECONDS / longest)))
    for first in range(0, len(waveforms), size):
        some = waveforms[first : first + size]
        lengths = np.array([len(waveform) for waveform in some])
        signal = np.zeros((len(some), lengths.max() + SILENCE), np.float32)
        for row, waveform in zip(signal, some, strict=True):
            row[: len(waveform)] = waveform
        yield {"signal": signal, "lengths": lengths}


def compare(runtime: str, logits: Values, expected: Values, classes: bool) -> Deviation:
    """Compare logits (utterance, class) with probabilities, or numbers with numbers."""
    logits = logits.astype(np.float64)
    if not classes:
        return Deviation(runtime, 0.0, _farthest(logits, expected))
    shares, there = softmax(logits, axis=1), expected > 0
    logarithms = log_softmax(logits, axis=1)[there]
    return Deviation(
        runtime,
        float(np.abs(shares - expected).max()),
        _farthest(logarithms, np.log(expected[there])),
    )


def _farthest(got: Values, expected: Values) -> float:
    return float((np.abs(got - expected) / np.maximum(1, np.abs(expected))).max())


def runtimes() -> Iterator[tuple[str, Callable[[bytes], Run]]]:
    """Installed runtimes: name with version, and the function that opens a graph."""
    yield f"onnxruntime {version('onnxruntime')}", onnxruntime
    if find_spec("openvino"):
        yield f"OpenVINO {version('openvino')}", openvino


def onnxruntime(content: bytes) -> Run:
    """A graph in onnxruntime, on the CPU."""
    from onnxruntime import InferenceSession

    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["logits"], dict(inputs))[0]


def openvino(content: bytes) -> Run:
    """A graph in OpenVINO, on the CPU and in float32."""
    from openvino import Core

    core = Core()
    float32 = {"INFERENCE_PRECISION_HINT": "f32"}  # bfloat16 is the default where there is hardware
    compiled = core.compile_model(core.read_model(content), "CPU", float32)
    return lambda inputs: compiled(dict(inputs))["logits"]
