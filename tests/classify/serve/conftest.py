"""A trained model, and a real server process whose network access is recorded."""

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import soundfile

from classify.commands import serve
from classify.commands.train import main as train
from extract.__main__ import main as extract

WATCH = """
import sys

LOCAL = ("127.0.0.1", "::1", "0.0.0.0", "::", "localhost", "", None, b"localhost")

def watch(event, arguments):
    place = None
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        place = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        place = arguments[1][0]
    if place not in LOCAL:
        with open({log!r}, "a") as log:
            print(event, place, file=log)
        raise OSError("no network here")

sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class Server:
    """One that is running."""

    url: str
    process: subprocess.Popen
    temporary: Path  # where it keeps what is sent
    errors: Path  # its standard error

    @property
    def files(self) -> list[Path]:
        return [path for path in self.temporary.rglob("*") if path.is_file()]


@pytest.fixture(scope="session")
def recordings(tmp_path_factory, waveform) -> Path:
    """``<emotion>/<speaker>_<take>.wav``, 16 of them, of half a second to two seconds."""
    root = tmp_path_factory.mktemp("corpus")
    for number in range(16):
        file = root / ("anger", "sadness")[number % 2] / f"s{number % 4}_{number:02}.wav"
        file.parent.mkdir(exist_ok=True)
        soundfile.write(file, waveform(number, 0.5 + number / 10), 16_000, subtype="PCM_16")
    return root


@pytest.fixture(scope="session")
def model(recordings: Path, tmp_path_factory) -> Path:
    """A logistic regression on a tiny encoder with random weights."""
    folder = tmp_path_factory.mktemp("trained")
    cache, out = folder / "cache.h5", folder / "model"
    pattern = ["--pattern", "{emotion}/{speaker}_{take}"]
    command = [str(recordings), "--model", "untrained:tiny", "-o", str(cache), "-q"]
    assert extract([*command, *pattern]) == 0
    assert train(["-o", str(out), "--head", "logreg", "--cache", str(cache), "-q"]) == 0
    return out


NAMES = ("emotions.example", "192.0.2.8")  # what the server is allowed to be called
REFUSALS = r"(warning: a request is refused: [ -~]+\n)*"  # printable, whatever was sent
CARD = """\
# A voice model

Trained on <b>noise</b>. ![](https://example.com/spy.png) <script>document.title = "caught"</script>
"""


@pytest.fixture(scope="session")
def server(model: Path, tmp_path_factory) -> Iterator[Server]:
    """``python -m classify serve MODEL``; at the end it must have logged refused requests only, and
    left no temporary files."""
    pytest.importorskip("gradio", reason="needs the extra [serve]")
    folder = tmp_path_factory.mktemp("server")
    log, temporary = folder / "network", folder / "tmp"
    temporary.mkdir()
    (folder / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    (model / "README.md").write_text(CARD)
    places = [str(folder), os.getcwd(), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "TMPDIR": str(temporary),
    }
    command = [sys.executable, "-m", "classify", "serve", str(model), "--port", "0"]
    command += ["--max-mb", "1", "--max-seconds", "60", "--window", "0.5", "--hop", "0.25"]
    for name in NAMES:
        command += ["--allow-host", name]
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    try:
        assert process.stdout
        found = re.match(r"http://\S+:\d+", process.stdout.readline())
        assert found, (folder / "errors").read_text()
        yield Server(found[0], process, temporary, folder / "errors")
        assert process.poll() is None, "the server has died"
    finally:
        process.terminate()
        status = process.wait(30)
    assert status == 128 + signal.SIGTERM
    said = (folder / "errors").read_text()
    assert re.fullmatch(REFUSALS, said), said
    assert list(temporary.iterdir()) == []
    assert not log.exists(), log.read_text()


@pytest.fixture
def listening(model: Path) -> Callable[[str], contextlib.AbstractContextManager[str]]:
    """Starts a server in a thread of this process, which listens at a host; gives its URL."""
    uvicorn = pytest.importorskip("uvicorn", reason="needs the extra [serve]")
    started: queue.Queue = queue.Queue()

    class Server(uvicorn.Server):
        def run(self, sockets: list[socket.socket]) -> None:
            started.put((self, serve.address(sockets[0])))
            super().run(sockets)

    @contextlib.contextmanager
    def listen(host: str) -> Iterator[str]:
        with mock.patch.dict(os.environ), mock.patch.object(uvicorn, "Server", Server):
            command = [str(model), "--port", "0", "--host", host]
            thread = threading.Thread(target=serve.main, args=[command])
            thread.start()
            server, url = started.get(timeout=120)
            try:
                yield url
            finally:
                server.should_exit = True
                thread.join()

    return listen


@pytest.fixture(scope="session")
def odd(tmp_path_factory) -> dict[str, Path]:
    """Recordings that are none, by what is wrong with them."""
    root = tmp_path_factory.mktemp("odd")
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    broken = noise.copy()
    broken[8_000] = np.nan
    for name, samples in {
        "silence": np.zeros(16_000, np.float32),
        "blink": noise[:160],
        "nan": broken,
    }.items():
        soundfile.write(root / f"{name}.wav", samples, 16_000, subtype="FLOAT")
    soundfile.write(root / "minutes.wav", np.tile(noise, 120), 16_000, subtype="PCM_16")
    with soundfile.SoundFile(root / "hours.flac", "w", 4_000, 1, "PCM_16") as file:
        for _ in range(180):
            file.write(np.ones(60 * 4_000, np.int16))
    (root / "text.wav").write_text("dear diary")
    (root / "text.txt").write_text("dear diary")
    (root / "empty.wav").touch()
    return {path.stem if path.suffix != ".txt" else "txt": path for path in root.iterdir()}
