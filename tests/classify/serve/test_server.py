"""The HTTP interface: predictions, refusals, limits, and no side effects."""

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from classify.commands import predict
from classify.commands.serve import listening
from classify.inference.model import Model
from classify.inference.predictor import Predictor
from classify.inference.serve.options import MEGABYTE, ServeOptions
from classify.inference.serve.queue import Busy, RequestQueue
from classify.inference.serve.uploads import KEPT, Uploads
from data.errors import UsageError

gradio_client = pytest.importorskip("gradio_client", reason="needs the extra [serve]")


@pytest.fixture(scope="module")
def server(server) -> Iterator:
    """That of all, which says nothing meanwhile."""
    before = server.errors.read_text()
    yield server
    assert server.errors.read_text() == before


def ask(url: str, recording: Path) -> httpx.Response:
    return httpx.put(f"{url}/predict", content=recording.read_bytes(), timeout=60)


def question(path: str) -> dict:
    return {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}


@pytest.fixture
def expected(model: Path, recordings: Path, capsys) -> dict:
    """What the command line says of one recording."""
    predict.main([str(model), str(recordings / "anger" / "s0_00.wav"), "--json"])
    return json.loads(capsys.readouterr().out)[0]


def test_a_response_equals_the_output_of_predict(server, recordings: Path, expected: dict) -> None:
    recording = recordings / "anger" / "s0_00.wav"
    by_http = ask(server.url, recording).json()
    client = gradio_client.Client(server.url, verbose=False)
    by_client = client.predict(gradio_client.handle_file(recording), api_name="/predict")
    for answer in (by_http, by_client):
        assert answer["emotion"] == expected["emotion"]
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
        assert answer["seconds"] == 0.5
    last = ask(server.url, recordings / "sadness" / "s3_15.wav").json()
    assert [part["start"] for part in last["timeline"]] == pytest.approx(
        [0.25 * n for n in range(len(last["timeline"]))]
    )
    assert last["timeline"][-1]["end"] == pytest.approx(2.0, abs=0.01)
    for part in last["timeline"]:
        assert sum(part["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("text", "not audio"),
        ("empty", "an empty file"),
        ("silence", "silent"),
        ("blink", "0.010 s is too short"),
        ("nan", "NaN"),
        ("hours", "10800 s is longer than the 60 s"),
    ],
)
def test_unreadable_recordings_are_reported(
    server, recordings: Path, odd, what: str, message: str
) -> None:
    refused = ask(server.url, odd[what])
    assert refused.status_code == 422
    assert message in refused.text
    assert refused.text.count("\n") == 1
    client = gradio_client.Client(server.url, verbose=False)
    with pytest.raises(gradio_client.exceptions.AppError, match=message):
        client.predict(gradio_client.handle_file(odd[what]), api_name="/predict")
    assert ask(server.url, recordings / "anger" / "s0_00.wav").status_code == 200


@pytest.mark.parametrize("place", ["/predict", "/gradio_api/upload"])
def test_a_gigabyte_is_refused_before_it_is_sent(server, recordings: Path, place: str) -> None:
    before = server.files
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.putrequest("POST", place)
    connection.putheader("Content-Length", str(2**30))
    connection.endheaders()
    refused = connection.getresponse()
    assert refused.status == 413
    assert refused.read() == (
        b"1,024 MB is more than the 1 MB taken; cut the recording, or send it as FLAC\n"
    )
    connection.close()
    assert set(server.files) <= set(before)
    assert ask(server.url, recordings / "anger" / "s0_00.wav").status_code == 200


def send_on_and_on(url: str, size: int) -> httpx.Response:
    """Send `size` bytes without reading the response, then read it."""
    block = bytes(1 << 20)
    return httpx.post(
        f"{url}/predict",
        content=(block for _ in range(size // len(block))),
        headers={"Content-Length": str(size)},
        timeout=120,
    )


def peak(process: subprocess.Popen) -> int:
    """The most memory that a process has had, in bytes; 0 where that is not known."""
    if sys.platform != "linux":
        return 0
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@pytest.mark.parametrize(
    "size", [64 * MEGABYTE, pytest.param(1024 * MEGABYTE, marks=pytest.mark.e2e)]
)
def test_a_client_that_sends_too_much_receives_the_reason(
    server, recordings: Path, size: int
) -> None:
    assert httpx.get(server.url, timeout=120).status_code == 200  # Gradio is imported by now
    ask(server.url, recordings / "anger" / "s0_00.wav")
    files, memory = server.files, peak(server.process)
    refused = send_on_and_on(server.url, size)
    assert refused.status_code == 413
    assert "more than the 1 MB taken" in refused.text
    assert set(server.files) <= set(files)
    assert peak(server.process) - memory < 16 * MEGABYTE
    assert ask(server.url, recordings / "anger" / "s0_00.wav").status_code == 200


def test_a_length_that_is_missing_is_refused(server) -> None:
    refused = httpx.post(f"{server.url}/predict", content=iter([b"RIFF"]))
    assert refused.status_code == 411
    assert "Content-Length" in refused.text


def test_a_form_is_distinguished(server, recordings: Path) -> None:
    form = {"file": (recordings / "anger" / "s0_00.wav").read_bytes()}
    refused = httpx.post(f"{server.url}/predict", files=form)
    assert refused.status_code == 415
    assert "curl -T" in refused.text


FORM = (
    "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    'Content-Disposition: form-data; name="files"; filename="a.wav"\r\n'
)


@pytest.mark.parametrize(("place", "form"), [("/predict", ""), ("/gradio_api/upload", FORM)])
def test_a_client_that_hangs_up_in_the_middle(
    server, recordings: Path, place: str, form: str
) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST {place} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900000\r\n"
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"{head}{form}\r\nRIFF".encode())
        time.sleep(0.2)
    assert ask(server.url, recordings / "anger" / "s0_00.wav").status_code == 200
    deadline = time.monotonic() + 20
    while any("held" in path.parts for path in server.files) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any("held" in path.parts for path in server.files)


def test_an_answer_leaves_nothing_behind(server, recordings: Path) -> None:
    assert ask(server.url, recordings / "anger" / "s0_00.wav").status_code == 200
    assert not any("held" in path.parts for path in server.files)


def test_simultaneous_requests_get_their_own_responses(server, recordings: Path) -> None:
    files = sorted(recordings.rglob("*.wav"))[:6]
    alone = [ask(server.url, file).json() for file in files]
    with ThreadPoolExecutor(len(files)) as pool:
        together = list(pool.map(lambda file: ask(server.url, file).json(), files))
    for answer, reference in zip(together, alone, strict=True):
        assert answer["emotion"] == reference["emotion"]
        assert answer["probabilities"] == pytest.approx(reference["probabilities"], abs=1e-8)
        for part, other in zip(answer["timeline"], reference["timeline"], strict=True):
            assert (part["start"], part["end"]) == (other["start"], other["end"])
            assert part["probabilities"] == pytest.approx(other["probabilities"], abs=1e-8)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=/tmp/../etc/passwd",
        "/gradio_api/file=classify/__init__.py",
        "/gradio_api/file=http://example.com/",
        "/gradio_api/file={sent}/../../../../../../../../../../etc/passwd",
        "/gradio_api/file={sent}/%2e%2e/%2e%2e/x",
        "/gradio_api/proxy=http://example.com/",
        "/gradio_api/runs",
        "/gradio_api/deep_link",
        "/gradio_api/openapi.json",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/custom_component/a/b/c/d",
        "/static/../../../../../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/routes.py",
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/login",
    ],
)
def test_other_paths_are_not_found(server, path: str) -> None:
    (sent,) = server.temporary.glob("*/sent")
    host = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=20)  # sends the path as it is
    connection.request("GET", path.format(sent=sent))
    assert connection.getresponse().status in (403, 404)
    connection.close()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "http://127.0.0.1:9/a.wav", "https://example.com/a.wav", 5, "{sent}/../x"],
)
def test_only_uploads_are_files(server, path) -> None:
    (sent,) = server.temporary.glob("*/sent")
    if isinstance(path, str):
        path = path.format(sent=sent)
    refused = httpx.post(f"{server.url}/gradio_api/call/predict", json=question(path))
    assert refused.status_code == 422
    assert "not uploaded here" in refused.text


def test_an_upload_that_is_gone_is_reported(server) -> None:
    (sent,) = server.temporary.glob("*/sent")
    place = f"{server.url}/gradio_api/call/predict"
    event = httpx.post(place, json=question(f"{sent}/gone.wav")).json()["event_id"]
    assert "send it again" in httpx.get(f"{place}/{event}").text


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b"{}"])
def test_questions_that_are_none(server, recordings: Path, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    place = f"{server.url}/gradio_api/queue/join"
    assert 400 <= httpx.post(place, content=body, headers=headers).status_code < 500
    assert ask(server.url, recordings / "anger" / "s0_00.wav").status_code == 200


def test_browsers_must_load_nothing_from_elsewhere(server) -> None:
    page = httpx.get(server.url)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self' data: blob:;")
    assert "http" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"


def test_a_request_above_the_queue_limit_is_refused(model: Path, recordings: Path) -> None:
    recording = recordings / "anger" / "s0_00.wav"
    requests = RequestQueue(Predictor.open(Model.load(model), "cpu"), ServeOptions(queue=1))
    go_on = threading.Event()

    async def crowd() -> None:
        first = asyncio.ensure_future(requests.ask(recording, lambda found: go_on.wait(30)))
        second = asyncio.ensure_future(requests.ask(recording, lambda found: found.answer.emotion))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="1 recordings are waiting"):
            await requests.ask(recording, str)
        second.cancel()  # hangs up, so the next one may wait
        await asyncio.sleep(0)
        third = asyncio.ensure_future(requests.ask(recording, lambda found: found.answer.emotion))
        await asyncio.sleep(0)
        go_on.set()
        assert await first
        assert await third in ("anger", "sadness")

    asyncio.run(crowd())
    requests.close()


def test_a_disconnected_client_ends_its_job(model: Path, odd) -> None:
    """Hours of windows would keep the next one waiting, and a stop as well."""
    options = ServeOptions(max_seconds=600, window=0.5, hop=0.02)
    requests = RequestQueue(Predictor.open(Model.load(model), "cpu"), options)
    progress = []

    async def leave() -> None:
        asking = asyncio.ensure_future(requests.ask(odd["minutes"], progress.append))
        await asyncio.sleep(0.3)
        asking.cancel()
        asking = asyncio.ensure_future(requests.ask(odd["minutes"], progress.append))
        await asyncio.sleep(0.3)
        requests.close()
        with pytest.raises((Busy, asyncio.CancelledError)):
            await asking

    asyncio.run(leave())
    assert progress == []


def test_uploads_are_bounded_and_go(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, most_bytes=1000)
    file = uploads.sent / "a" / "b.wav"
    file.parent.mkdir()
    file.write_bytes(bytes(600))
    with uploads.room(300), pytest.raises(Busy, match="try again"), uploads.room(200):
        pass
    with uploads.place() as held:
        held.write_bytes(bytes(300))
        with pytest.raises(Busy, match="try again"), uploads.room(200):
            pass
    assert not held.exists()
    uploads.sweep()
    assert file.exists()
    long_ago = time.time() - KEPT - 1
    os.utime(file, (long_ago, long_ago))
    with uploads.room(1000):
        assert list(uploads.sent.iterdir()) == []


def test_a_busy_port_is_reported_or_passed_over(monkeypatch) -> None:
    with listening(ServeOptions(port=0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}: in use; name another"):
            listening(ServeOptions(port=port))
        monkeypatch.setattr("classify.commands.serve.FIRST_PORT", port)
        with listening(ServeOptions()) as second:
            assert second.getsockname()[1] > port
    with pytest.raises(UsageError, match=r"--host 192\.0\.2\.1"):
        listening(ServeOptions(host="192.0.2.1", port=0))


def test_responses_do_not_wait_for_acknowledgements() -> None:
    with listening(ServeOptions(port=0)) as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70_000},
        {"max_mb": 0},
        {"max_seconds": 601},
        {"queue": -1},
    ],
)
def test_wrong_options_are_reported(wrong: dict) -> None:
    with pytest.raises(UsageError, match="expected"):
        ServeOptions(**wrong)


def test_a_missing_extra_is_reported_in_a_line(model: Path) -> None:
    program = (
        "import runpy, sys\n"
        "sys.modules['gradio'] = None\n"
        f"sys.argv = ['classify', 'serve', {str(model)!r}]\n"
        "runpy.run_module('classify', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: the page needs Gradio: pip install 'wav2emo[serve]'\n"
