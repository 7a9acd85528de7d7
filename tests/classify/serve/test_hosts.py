"""Host names and origins that a server accepts, over real connections."""

import base64
import contextlib
import http.client
import logging
import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from classify.inference.serve.hosts import Hosts
from classify.inference.serve.options import ServeOptions
from data.errors import UsageError

pytest.importorskip("gradio", reason="needs the extra [serve]")

REFUSALS = r"(warning: a request is refused: [ -~]+\n)*"
NAME = "emotions.example"  # what the server is allowed to be called, as 192.0.2.8


def send(
    url: str,
    *headers: tuple[str, str],
    method: str = "GET",
    path: str = "/config",
    body: bytes = b"",
    to: str | None = None,
) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of the answer to a request with these headers and no others."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(to or place.hostname, place.port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value.format(port=place.port, other=place.port + 1))
    if body or method in ("POST", "PUT"):
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}",
        "127.0.0.1",
        "localhost:{port}",
        "LocalHost.",
        "localhost:9000",  # through a tunnel
        "[::1]:{port}",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]:{port}",
        NAME,
        f"{NAME.upper()}.:8443",
        "192.0.2.8",
    ],
)
def test_its_own_names_are_answered(server, host: str) -> None:
    status, text, _ = send(server.url, ("Host", host))
    assert status == 200
    assert "components" in text


@pytest.mark.parametrize(
    "host",
    [
        "evil.test:{port}",
        "evil.test",
        "localhost.evil.test:{port}",
        "127.0.0.1.evil.test",
        f"{NAME}.evil.test",
        f"evil{NAME}",
        f"www.{NAME}",
        "192.0.2.7:{port}",
        "[2001:db8::1]",
        "0.0.0.0:{port}",
        "2130706433",
        "\u00e4.test",
        "evil\x7f",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/config"), ("POST", "/predict"), ("GET", "/nowhere")],
)
def test_unknown_hosts_are_refused_with_a_hint(server, host: str, method: str, path: str) -> None:
    status, text, headers = send(server.url, ("Host", host), method=method, path=path)
    if status == 400 and "Invalid HTTP request" in text:
        return  # refused by the HTTP parser
    assert status == 421
    assert headers["content-type"].startswith("text/plain")
    assert re.fullmatch(r"no server for the host '.+' here; if .* --allow-host '.+'\n", text)
    if host.isascii() and host.isprintable():
        assert host.removesuffix(":{port}") in text


@pytest.mark.parametrize(
    "hosts",
    [[""], ["a b"], ["127.0.0.1:80:80"], ["user@127.0.0.1"], ["[::1"], ["localhost", "evil.test"]],
)
def test_an_invalid_name_is_refused(server, hosts: list[str]) -> None:
    assert send(server.url, *(("Host", host) for host in hosts))[0] == 400


def test_no_name_at_all_is_refused(server) -> None:
    place = urlsplit(server.url)
    for version in ("1.0", "1.1"):
        with socket.create_connection((place.hostname, place.port), timeout=60) as client:
            client.sendall(f"GET /config HTTP/{version}\r\n\r\n".encode())
            assert re.match(rb"HTTP/1\.\d 400 ", client.recv(100))


OWN = ("Host", "127.0.0.1:{port}")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.test",
        "http://evil.test:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:{other}",
        "http://localhost:{other}",
        "http://localhost:3000",
        "http://127.0.0.1:{port}.evil.test",
        "http://127.0.0.1:{port}@evil.test",
        "http://evil.test#127.0.0.1:{port}",
        f"http://{NAME}:8000",
        f"https://{NAME}.evil.test",
        "file://",
        "chrome-extension://abcdef",
        "ws://127.0.0.1:{port}",
    ],
)
def test_foreign_pages_may_not_write(server, recordings: Path, origin: str) -> None:
    recording = (recordings / "anger" / "s0_00.wav").read_bytes()
    from_there = OWN, ("Origin", origin)
    for method, path in [
        ("POST", "/predict"),
        ("PUT", "/predict"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/queue/join"),
        ("DELETE", "/predict"),
        ("OPTIONS", "/predict"),
    ]:
        status, text, headers = send(
            server.url, *from_there, method=method, path=path, body=recording
        )
        assert status == 403, (method, path)
        assert re.fullmatch(r"a page of '.*' may not send requests to .* --allow-host NAME\n", text)
        assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    "headers",
    [
        [OWN],  # curl
        [OWN, ("Origin", "http://127.0.0.1:{port}")],
        [("Host", "LOCALHOST:{port}"), ("Origin", "http://localhost:{port}")],
        [("Host", "[::1]:9000"), ("Origin", "http://[::1]:9000")],
        [OWN, ("Origin", f"https://{NAME}")],  # a proxy that does not pass Host on
        [("Host", NAME), ("Origin", f"https://{NAME}")],
        [("Host", f"{NAME}:443"), ("Origin", f"https://{NAME}")],
        [("Host", f"{NAME}:8443"), ("Origin", f"https://{NAME}:8443")],
    ],
)
def test_its_own_pages_and_programs_may(server, recordings: Path, headers: list) -> None:
    recording = (recordings / "anger" / "s0_00.wav").read_bytes()
    status, text, _ = send(server.url, *headers, method="POST", path="/predict", body=recording)
    assert (status, '"emotion"' in text) == (200, True), text


def test_two_origins_are_foreign(server) -> None:
    headers = OWN, ("Origin", "http://127.0.0.1:{port}"), ("Origin", "http://evil.test")
    assert send(server.url, *headers, method="POST", path="/predict")[0] == 403


@pytest.mark.parametrize("origin", ["null", "http://evil.test", "http://localhost:3000"])
@pytest.mark.parametrize("host", ["127.0.0.1:{port}", NAME])
def test_foreign_pages_may_not_read(server, host: str, origin: str) -> None:
    """Browsers show them an answer only if it says so."""
    for path in ("/config", "/gradio_api/info", "/"):
        _, _, headers = send(server.url, ("Host", host), ("Origin", origin), path=path)
        assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}"),
        ("127.0.0.1:{port}", "http://evil.test"),
        ("evil.test:{port}", "http://evil.test:{port}"),
    ],
)
def test_no_connection_becomes_a_websocket(server, host: str, origin: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = [
        ("Host", host),
        ("Origin", origin),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
    ]
    for path in ("/gradio_api/queue/join", "/queue/join", "/ws"):
        assert send(server.url, *upgrade, path=path)[0] >= 400


def test_each_refusal_is_logged_once_and_not_without_end(caplog, monkeypatch) -> None:
    logger = logging.Logger("of this test")
    logger.addHandler(caplog.handler)
    monkeypatch.setattr("classify.inference.serve.hosts.log", logger)
    hosts = Hosts(ServeOptions())
    for _ in range(2):
        for number in range(30):
            headers = [(b"host", b"evil%d.test" % number)]
            assert hosts.refused({"type": "http", "method": "GET", "headers": headers})
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == len(set(logged)) == 20
    assert "'evil0.test'" in logged[0]


def test_listening_everywhere_it_is_called_by_the_address_that_is_reached(
    listening, capsys
) -> None:
    with listening("0.0.0.0") as url:
        for host in ("localhost:{port}", "127.0.0.1:{port}", socket.gethostname()):
            assert send(url, ("Host", host), to="127.0.0.1")[0] == 200
        for host in ("evil.test:{port}", "192.0.2.7:{port}", "127.0.0.2:{port}"):
            assert send(url, ("Host", host), to="127.0.0.1")[0] == 421
        with contextlib.suppress(OSError):  # macOS has one loopback address
            assert send(url, ("Host", "127.0.0.2:{port}"), to="127.0.0.2")[0] == 200
    messages = capsys.readouterr().err
    assert re.fullmatch(r"warning: --host 0\.0\.0\.0: anyone .*\n" + REFUSALS, messages), messages


def test_over_ipv6(listening, recordings: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with listening("::1") as url:
        place = urlsplit(url)
        own = ("Host", f"[::1]:{place.port}")
        assert send(url, own)[0] == 200
        assert send(url, ("Host", "[2001:db8::1]"))[0] == 421
        assert send(url, ("Host", "evil.test"))[0] == 421
        recording = (recordings / "anger" / "s0_00.wav").read_bytes()
        for origin, status in [(url, 200), ("http://[::2]:{port}", 403)]:
            headers = own, ("Origin", origin)
            got = send(url, *headers, method="PUT", path="/predict", body=recording)
            assert got[0] == status


@pytest.mark.parametrize(
    "name", ["", "*", "*.example.com", "http://localhost", "a.example:80", "a b", "a,b", "x@y"]
)
def test_an_invalid_host_name_is_reported(name: str) -> None:
    with pytest.raises(UsageError, match=r"--allow-host .*: expected one host name"):
        ServeOptions(allow_host=[name])
