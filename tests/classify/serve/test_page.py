"""The web page in a real Chromium, without requests to other servers."""

import base64
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

pytest.importorskip("gradio", reason="needs the extra [serve]")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

PHONE = {"width": 390, "height": 844}
REBOUND = "--host-resolver-rules=MAP *.test 127.0.0.1, MAP emotions.example 127.0.0.1"
MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def browser() -> Iterator:
    if not (program := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=program, args=[*MICROPHONE, REBOUND])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, server) -> Iterator[Callable]:
    """Opens the page as a new visitor; in the end, nothing was asked of anybody but the server."""
    contexts, asked, blocked = [], [], []

    def visited(**options):
        context = browser.new_context(permissions=["microphone"], **options)
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: blocked.append((request.url, request.failure)))
        page.goto(server.url)
        page.get_by_text("Record, or drop a WAV").wait_for()
        return page

    yield visited
    for context in contexts:
        context.close()
    assert asked
    stopped = {url for url, reason in blocked if "csp" in str(reason).lower()}
    places = {urlsplit(url).netloc for url in asked if url not in stopped}
    assert places - {"", urlsplit(server.url).netloc} == set()  # data: and blob: have no place


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of another site's page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Elsewhere</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://evil.test:{server.server_port}/"
        server.shutdown()
        thread.join()


def drop(page, file: Path, name: str | None = None, kind: str = "audio/wav") -> None:
    """Let go of a file over the recorder, as a hand with a mouse does."""
    content = base64.b64encode(file.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([content, name, type]) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type }));
            return transfer;
        }""",
        [content, name or file.name, kind],
    )
    page.get_by_label("Drop an audio file here to upload").dispatch_event(
        "drop", {"dataTransfer": transfer}
    )


def clear(page) -> None:
    page.get_by_label("Clear").click()
    page.get_by_text("Record, or drop a WAV").wait_for()


def shown(page) -> tuple[str, dict[str, str]]:
    """The emotion in large letters, and the share of each, as the page shows them."""
    found = page.locator(".prediction")
    found.wait_for()
    names = found.locator("dt").all_inner_texts()
    shares = found.locator("dd.share").all_inner_texts()
    return found.locator(".first strong").inner_text(), dict(zip(names, shares, strict=True))


def expected(server, recording: Path) -> tuple[str, dict[str, str]]:
    """The same from the HTTP interface."""
    answer = httpx.put(f"{server.url}/predict", content=recording.read_bytes(), timeout=60).json()
    shares = {name: f"{100 * share:.0f} %" for name, share in answer["probabilities"].items()}
    return answer["emotion"], shares


def test_a_dropped_recording_is_predicted(visit, server, recordings: Path) -> None:
    page = visit()
    recording = recordings / "anger" / "s0_08.wav"
    drop(page, recording)
    assert shown(page) == expected(server, recording)
    figure = page.locator(".prediction img")
    assert figure.get_attribute("src").startswith("data:image/png;base64,")
    assert figure.evaluate("image => image.naturalWidth") > 1000
    clear(page)


def test_an_unreadable_recording_is_reported_and_the_next_is_predicted(
    visit, server, odd, recordings: Path
) -> None:
    page = visit()
    drop(page, odd["txt"], "diary.txt", "text/plain")
    page.get_by_text("Invalid file type: diary.txt").wait_for()
    for name, kind, said in [
        ("text.wav", "audio/wav", "not audio: neither WAV, FLAC, OGG, MP3 nor a container"),
        ("silence.wav", "audio/wav", "silent"),
        ("blink.wav", "audio/wav", "too short"),
        ("nan.wav", "audio/wav", "NaN"),
        ("hours.flac", "audio/flac", "10800 s is longer than the 60 s"),
    ]:
        drop(page, odd[name.partition(".")[0]], name, kind)
        page.locator(".refusal").get_by_text(said).wait_for()
        assert page.locator(".prediction").count() == 0
        clear(page)
    recording = recordings / "sadness" / "s1_05.wav"
    drop(page, recording)
    assert shown(page) == expected(server, recording)


def test_too_large_is_reported_without_an_upload(visit, server, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(1_200_000))
    page = visit()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    drop(page, large)
    page.get_by_text("exceed the maximum allowed size").wait_for()
    assert not any("/upload?" in url for url in sent)


def test_two_at_once(visit, server, recordings: Path) -> None:
    """With one recording for both, too: Gradio keeps equal uploads at one place."""
    one, other = visit(), visit()
    files = [recordings / "anger" / "s2_02.wav", recordings / "sadness" / "s3_15.wav"]
    for page, file in zip((one, other), files, strict=True):
        drop(page, file)
    assert [shown(one), shown(other)] == [expected(server, file) for file in files]
    for page in (one, other):
        clear(page)
        page.locator(".prediction").wait_for(state="detached")
    for page in (one, other):
        drop(page, files[0])
    assert [shown(one), shown(other)] == [expected(server, files[0])] * 2


def test_the_microphone_is_recorded_and_predicted(visit, server) -> None:
    """Chromium's own microphone beeps; what it records arrives as WAV, made in the browser."""
    page = visit()
    page.get_by_label("Record audio").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1_500)
    page.locator("button.stop-button").first.click()
    emotion, shares = shown(page)
    assert emotion in shares
    (sent,) = (file for file in server.files if file.name == "audio.wav")
    assert sent.read_bytes().startswith(b"RIFF")


def test_a_client_that_leaves_does_not_disturb_others(visit, server, recordings: Path) -> None:
    leaving, staying = visit(), visit()
    recording = recordings / "anger" / "s0_08.wav"
    with leaving.expect_request("**/gradio_api/queue/join*"):
        drop(leaving, recording)
    leaving.close()
    drop(staying, recording)
    assert shown(staying) == expected(server, recording)


def test_the_card_is_shown_and_may_do_nothing(visit) -> None:
    page = visit()
    page.get_by_text("Model card").click()
    page.get_by_role("heading", name="A voice model").wait_for()
    assert page.title() == "wav2emo"


def test_it_fits_a_phone(visit, recordings: Path) -> None:
    page = visit(viewport=PHONE, color_scheme="dark", has_touch=True)
    drop(page, recordings / "anger" / "s0_08.wav")
    shown(page)
    for closed in ("Model card", "From a program"):
        page.get_by_text(closed).click()
    page.get_by_text("curl -T").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_gradio_analytics_are_off(server) -> None:
    config = httpx.get(f"{server.url}/config").json()
    assert config["analytics_enabled"] is False
    assert config["footer_links"] == []
    assert json.dumps(config).count("googleapis") == 0


def test_a_name_that_is_rebound_to_this_machine_reads_nothing(browser, server) -> None:
    """For the browser page and server are one site, evil.test, so it lets the page read all."""
    page = browser.new_page()
    place = f"http://evil.test:{urlsplit(server.url).port}"
    shown = page.goto(place)
    assert shown.status == 421
    assert "no server for the host 'evil.test' here" in page.inner_text("body")
    for path, options in [("/config", {}), ("/predict", {"method": "POST", "body": "RIFF"})]:
        asked = """async ([url, options]) => {
            const answer = await fetch(url, options);
            return [answer.status, await answer.text()];
        }"""
        status, text = page.evaluate(asked, [place + path, options])
        assert status == 421
        assert "--allow-host" in text
    page.close()


def test_pages_of_other_sites_neither_write_nor_read(
    browser, listening, elsewhere: str, capsys
) -> None:
    page = browser.new_page()
    page.goto(elsewhere)
    ask = """async ([url, options]) => {
        try { return (await fetch(url, options)).type; } catch (error) { return String(error); }
    }"""
    post = {"method": "POST", "mode": "no-cors", "body": "RIFF"}  # no preflight, as a form
    sandboxed = """([url]) => new Promise((resolve) => {
        addEventListener("message", (event) => resolve([event.origin, event.data]));
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.srcdoc = `<script>fetch("${url}/predict", {method: "POST", mode: "no-cors"})
            .then((answer) => parent.postMessage(answer.type, "*"))</script>`;
        document.body.append(frame);
    })"""
    with listening("127.0.0.1") as url:
        assert page.evaluate(ask, [f"{url}/predict", post]) == "opaque"
        origin = elsewhere.rstrip("/")
        assert f"a page of '{origin}' may not send requests" in capsys.readouterr().err
        assert "TypeError" in page.evaluate(ask, [f"{url}/config", {}])
        assert "TypeError" in page.evaluate(ask, [f"{url}/predict", {"method": "PUT"}])
        assert page.evaluate(sandboxed, [url]) == ["null", "opaque"]
        assert "a page of 'null' may not send requests" in capsys.readouterr().err
    page.close()


def test_by_an_allowed_name_the_page_works(browser, server, recordings: Path) -> None:
    page = browser.new_page()
    page.goto(f"http://emotions.example:{urlsplit(server.url).port}")
    recording = recordings / "anger" / "s0_08.wav"
    drop(page, recording)
    assert shown(page) == expected(server, recording)
    page.close()
