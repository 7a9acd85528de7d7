"""Locks on a folder, also if file locks do not work between machines."""

import os
import subprocess
import sys
import threading
import time

import pytest

from data import atomic, machine
from data.cache import lock

HOLD = """
import sys, time
from pathlib import Path
from data import machine
if sys.argv[2] == "elsewhere":
    machine.machine = lambda: "another machine"
    machine.flock = lambda descriptor, operation: True
from data.cache import lock
lock.RENEWAL = 0.05
with lock.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""


def holder(folder, where, seconds):
    command = [sys.executable, "-c", HOLD, str(folder), where, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LEASE", 0.5)
    monkeypatch.setattr(lock, "POLL", 0.01)
    return tmp_path / "held"


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_one_at_a_time(folder, where):
    process = holder(folder, where, 1.5)  # three times as long as a lease that is not renewed
    with lock.locked(folder):
        assert process.wait(timeout=1) == 0  # it was about to end when it gave the lock back
    assert [path.name for path in folder.iterdir()] == [lock.LOCK]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_killed_holder_releases_the_lock(folder, where):
    process = holder(folder, where, 600)
    process.kill()
    process.wait()
    with lock.locked(folder):
        assert os.readlink(folder / lock.OWNER).startswith(machine.machine())


def test_threads_exclude_one_another(folder):
    inside, most = 0, 0

    def enter():
        nonlocal inside, most
        for _ in range(10):
            with lock.locked(folder):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_folder_that_is_removed_under_lock_is_made_again(folder):
    with lock.locked(folder):
        lock.remove(folder)
    assert not folder.exists()
    with lock.locked(folder):
        assert folder.exists()


def test_a_file_system_without_locks_has_leases(folder, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(machine.fcntl, "flock", refuse)
    with lock.locked(folder):
        assert os.readlink(folder / lock.OWNER)
    atomic.publish_bytes(folder / "x", b"y")
    assert (folder / "x").read_bytes() == b"y"


def test_temporary_files_of_other_machines_are_kept(tmp_path, monkeypatch):
    ours = tmp_path / f".c.h5.{atomic._writer()}-1-a.tmp"
    monkeypatch.setattr(atomic, "machine", lambda: "another machine")
    theirs = tmp_path / f".c.h5.{atomic._writer()}-1-b.tmp"
    monkeypatch.undo()
    old = tmp_path / ".c.h5.0-1-c.tmp"
    for path in (ours, theirs, old):
        path.touch()
    os.utime(old, (0, 0))
    atomic.remove_stale(tmp_path / "c.h5")
    assert list(tmp_path.iterdir()) == [theirs]
