"""Addresses of schedulers that are wrong or do not answer."""

import contextlib
import os
import re
import socket
import threading

import pytest
import storm

from data import scheduler
from data.errors import SchedulerError, UsageError
from data.scheduler import parse


@pytest.fixture
def corpus(tmp_path):
    storm.make_corpus(tmp_path / "corpus", 60)
    return tmp_path / "corpus"


@pytest.mark.parametrize(
    "text", ["", "local:0", "local:x", "tcp://host", "host:1", "file:", "ssh://a:1"]
)
def test_addresses_that_make_no_sense(text):
    with pytest.raises(UsageError, match="expected local"):
        parse(text)


def test_an_unreachable_scheduler(tmp_path, monkeypatch):
    monkeypatch.setattr("data.scheduler.ANSWER_SECONDS", 1.0)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        expected = f"--scheduler {address}: no scheduler answered within 1 s; check that 'dask"
        with pytest.raises(SchedulerError, match=re.escape(expected)):
            scheduler.connect(address)


@pytest.mark.parametrize(
    ("greeting", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.6 and more\r\n", "the server there is not a Dask scheduler"),
        (b"", "no scheduler answered within 2 s"),
    ],
)
def test_an_address_that_is_no_scheduler(monkeypatch, greeting, message):
    monkeypatch.setattr("data.scheduler.ANSWER_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            with contextlib.suppress(OSError):  # it is closed at the end
                while True:
                    answered.append(server.accept()[0])
                    answered[-1].sendall(greeting)

        answered = []
        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(SchedulerError, match=message):
            scheduler.connect(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        for connection in answered:
            connection.close()


def test_a_scheduler_file_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr("data.scheduler.ANSWER_SECONDS", 0.1)
    for content, why in ((None, "No such file"), ("[]", "not a scheduler file")):
        if content:
            (tmp_path / "s.json").write_text(content)
        with pytest.raises(SchedulerError, match=why):
            scheduler.connect(f"file:{tmp_path / 's.json'}")


def test_without_certificates(monkeypatch):
    for name in [name for name in os.environ if name.startswith("DASK_")]:
        monkeypatch.delenv(name)
    with pytest.raises(SchedulerError, match="no certificates are configured"):
        scheduler.connect("tls://127.0.0.1:1")
