"""Requests that wait are embedded together, and do not affect each other."""

import asyncio
import importlib
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from classify.inference.model import Model
from classify.inference.predictor import Answer, Predictor
from classify.inference.serve.batcher import Batcher, Job, batch
from classify.inference.serve.options import ServeOptions
from classify.inference.serve.queue import Prediction, RequestQueue
from classify.inference.serve.uploads import Uploads
from data.errors import AudioError
from data.utterance import Utterance
from extract.decoding import Decoded
from extract.embedder import Embedder

OPTIONS = ServeOptions(window=0.5, hop=0.25)
TOLERANCE = 1e-8  # the probabilities of different recordings differ by 1e-5 or more


class RecordingEngine:
    """An engine that records the sizes of its batches, and waits for `go_on` before the first."""

    def __init__(self, engine) -> None:
        self.engine = engine
        self.sizes: list[int] = []
        self.began, self.go_on = threading.Event(), threading.Event()
        self.broken = -1  # number of samples of a waveform that raises an error

    def __getattr__(self, name: str):
        return getattr(self.engine, name)

    def embed(self, waveforms: list[np.ndarray]):
        self.began.set()
        assert self.go_on.wait(60)
        self.sizes.append(len(waveforms))
        if self.broken in map(len, waveforms):
            raise RuntimeError("broken")
        return self.engine.embed(waveforms)


@pytest.fixture(scope="module")
def opened(model: Path) -> Predictor:
    return Predictor.open(Model.load(model), "cpu")


@pytest.fixture
def predictor(opened: Predictor) -> Predictor:
    return Predictor(opened.model, Embedder(RecordingEngine(opened.embedder.engine)))


@pytest.fixture
def decoded(opened: Predictor, waveform) -> list[Decoded]:
    """Nine recordings of 0.5 to 0.9 s."""
    return [
        opened.embedder.decode(Utterance(str(n), "", Path(), ""), waveform(n, 0.5 + n / 20))
        for n in range(9)
    ]


def same(answer: Answer, other: Answer) -> bool:
    return answer.probabilities == pytest.approx(other.probabilities, abs=TOLERANCE)


def test_jobs_that_wait_are_embedded_together(predictor, opened, decoded) -> None:
    engine, batcher = predictor.embedder.engine, Batcher(predictor)
    jobs = [batcher.submit(decoded[:1])]
    assert engine.began.wait(60)
    jobs += [batcher.submit([one]) for one in decoded[1:]]
    engine.go_on.set()
    answers = [answer for job in jobs for answer in job.result(60)]
    alone = [answer for one in decoded for answer in opened.stream([one])]
    assert all(map(same, answers, alone))
    assert engine.sizes[0] == 1
    assert max(engine.sizes) > 1
    assert sum(engine.sizes) == len(decoded)
    batcher.close()


def test_a_cancelled_job_is_not_embedded(predictor, decoded) -> None:
    engine, batcher = predictor.embedder.engine, Batcher(predictor)
    current = batcher.submit(decoded[:1])
    assert engine.began.wait(60)
    left, kept = batcher.submit(decoded[1:4]), batcher.submit(decoded[4:5])
    assert left.cancel()
    engine.go_on.set()
    assert current.result(60)
    assert kept.result(60)
    assert engine.sizes == [1, 1]
    batcher.close()


def test_closing_cancels_the_jobs_that_wait(predictor, decoded) -> None:
    engine, batcher = predictor.embedder.engine, Batcher(predictor)
    current = batcher.submit(decoded[:1])
    assert engine.began.wait(60)
    waiting = batcher.submit(decoded[1:2])
    batcher.close()
    late = batcher.submit(decoded[2:3])
    engine.go_on.set()
    assert current.result(60)
    for job in (waiting, late):
        with pytest.raises(CancelledError):
            job.result(60)


def test_an_error_of_the_engine_is_that_of_one_job(predictor, decoded) -> None:
    engine, batcher = predictor.embedder.engine, Batcher(predictor)
    engine.broken = len(decoded[3].waveform)
    jobs = [batcher.submit(decoded[:1])]
    assert engine.began.wait(60)
    jobs += [batcher.submit([one]) for one in decoded[1:]]
    engine.go_on.set()
    for number, job in enumerate(jobs):
        if number == 3:
            with pytest.raises(RuntimeError, match="broken"):
                job.result(60)
        else:
            assert job.result(60)
    batcher.close()


def job(*seconds: float) -> Job:
    utterance, empty = Utterance("0", "", Path(), ""), np.empty(0, np.float32)
    return Job([Decoded(utterance, empty, one, "") for one in seconds])


def test_the_oldest_job_is_in_the_next_batch() -> None:
    long, short, windows, shorter = job(60), job(2), job(3, 3), job(1)
    assert batch([long, short, windows, shorter], 8) == [long]
    assert batch([short, windows, shorter], 8) == [short, shorter]
    assert batch([windows, short, shorter], 9) == [windows, short]
    assert batch([], 8) == []


@pytest.mark.parametrize("seconds", [0.4, 0.5, 1.3])
def test_a_recording_of_one_window_is_embedded_once(
    predictor, opened, tmp_path: Path, waveform, seconds: float
) -> None:
    file = tmp_path / "a.wav"
    soundfile.write(file, waveform(0, seconds), 16_000, subtype="PCM_16")
    requests = RequestQueue(predictor, OPTIONS)
    predictor.embedder.engine.go_on.set()
    found = asyncio.run(requests.ask(file, lambda prediction: prediction))
    expected = opened.model.timeline(file, OPTIONS.window, OPTIONS.hop)
    np.testing.assert_array_equal(found.timeline.starts, expected.starts)
    np.testing.assert_array_equal(found.timeline.ends, expected.ends)
    np.testing.assert_array_equal(found.timeline.peaks, expected.peaks)
    np.testing.assert_allclose(found.timeline.probabilities, expected.probabilities, atol=TOLERANCE)
    windows = len(expected.starts)
    assert sum(predictor.embedder.engine.sizes) == (1 if windows == 1 else 1 + windows)
    requests.close()


def test_eight_at_once_and_a_damaged_one(predictor, recordings: Path, odd) -> None:
    files = sorted(recordings.rglob("*.wav"))[:8]
    requests = RequestQueue(predictor, OPTIONS)
    predictor.embedder.engine.go_on.set()

    async def ask(file: Path) -> Prediction:
        return await requests.ask(file, lambda prediction: prediction)

    async def crowd() -> list:
        everything = [*files[:4], odd["nan"], *files[4:]]
        return await asyncio.gather(*map(ask, everything), return_exceptions=True)

    alone = [asyncio.run(ask(file)) for file in files]
    together = asyncio.run(crowd())
    assert isinstance(together.pop(4), AudioError)
    for found, expected in zip(together, alone, strict=True):
        assert same(found.answer, expected.answer)
        np.testing.assert_allclose(
            found.timeline.probabilities, expected.timeline.probabilities, atol=TOLERANCE
        )
    requests.close()


def test_a_full_queue_is_status_503(predictor, recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="needs the extra [serve]")
    serve = importlib.import_module("classify.inference.serve.app")  # imports starlette
    applications = importlib.import_module("starlette.applications")
    content = (recordings / "anger" / "s0_00.wav").read_bytes()
    requests = RequestQueue(predictor, ServeOptions(queue=0))
    engine = predictor.embedder.engine
    app = applications.Starlette(routes=[serve.endpoint(requests, Uploads(tmp_path, 1 << 20))])

    async def crowd() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            first = asyncio.ensure_future(client.put("/predict", content=content))
            assert await asyncio.to_thread(engine.began.wait, 60)
            refused = await client.put("/predict", content=content)
            assert refused.status_code == 503
            assert refused.text == "0 recordings are waiting already; try again later\n"
            engine.go_on.set()
            assert (await first).status_code == 200
            assert (await client.put("/predict", content=content)).status_code == 200

    asyncio.run(crowd())
    requests.close()
