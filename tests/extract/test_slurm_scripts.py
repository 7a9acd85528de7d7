"""The scripts of docs/slurm: valid shell, and run as a queue runs them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data import Cache
from data.commands.scan import main as scan
from extract.engines import open_engine
from extract.recipe import Request

FOLDER = Path(__file__).parent.parent.parent / "docs" / "slurm"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
TINY = ("--model", "untrained:tiny", "--device", "cpu")


@pytest.fixture
def listed(folder_corpus, tmp_path):
    """A list of twelve utterances, in a folder whose name needs quoting.

    The encoder is kept beforehand, so that no task imports torch.
    """
    open_engine("untrained:tiny", Request(), "cpu")
    (folder := tmp_path / "shared folder").mkdir()
    scan([str(folder_corpus(12)), "-o", str(folder / "all.jsonl"), "-q"])
    return folder


def run(script, *arguments, folder, **variables):
    root = FOLDER.parent.parent
    paths = f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return subprocess.run(
        ["bash", FOLDER / script, *map(str, arguments)], cwd=folder, text=True, check=False,
        capture_output=True,
        env=os.environ | {"PYTHON": sys.executable, "PYTHONPATH": paths} | variables,
    )  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_they_are_sound(script):
    subprocess.run(["bash", "-n", script], check=True)
    assert script.stat().st_mode & 0o111
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_array_makes_a_cache(listed):
    arguments = (2, "all.jsonl", "c.h5", *TINY)
    for task in ("2", "1"):
        done = run("array.sh", *arguments, folder=listed, SLURM_ARRAY_TASK_ID=task)
        assert done.returncode == 0, done.stderr
    assert "12 utterances" in done.stdout
    assert len(Cache(listed / "c.h5")) == 12


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_without_arguments_usage_is_printed(script, tmp_path):
    done = run(script.name, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def test_outside_of_an_array_it_is_reported(tmp_path):
    done = run("array.sh", 4, "all.jsonl", "c.h5", folder=tmp_path)
    assert done.returncode != 0
    assert "submit with sbatch --array=1-4" in done.stderr


def test_hosts_over_ssh(listed, tmp_path):
    """With an ssh that runs on this machine what it is given for another."""
    (ssh := tmp_path / "bin" / "ssh").parent.mkdir()
    ssh.write_text('#!/bin/sh\n[ "$3" != down ] || exit 255\ncd / && exec sh -c "$4"\n')
    ssh.chmod(0o755)
    path = f"{ssh.parent}{os.pathsep}{os.environ['PATH']}"
    arguments = ("all.jsonl", "c.h5", "one", "down", "--", "--dry-run")
    done = run("ssh.sh", *arguments, folder=listed, PATH=path)
    assert done.returncode == 255
    assert done.stdout == "6 of 6 utterances would be embedded into c.h5\n"
    assert "down: exit status 255" in done.stderr
    done = run("ssh.sh", "all.jsonl", "c.h5", "one", "two", "--", *TINY, folder=listed, PATH=path)
    assert done.returncode == 0, done.stderr
    assert len(Cache(listed / "c.h5")) == 12
