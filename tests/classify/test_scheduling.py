"""Results on Dask workers equal local results."""

import json
import sys

import pytest
from workers import Crew

from classify.commands.compare import main as compare
from classify.commands.evaluate import main as evaluate
from classify.commands.probe import main as probe
from data.errors import SchedulerError


@pytest.fixture(scope="module")
def crew(tmp_path_factory):
    """A scheduler and two workers, each with a working directory of its own."""
    with Crew(tmp_path_factory.mktemp("crew"), 2) as crew:
        yield crew


COMMANDS = {
    "folds": (evaluate, ["--head", "svm"], "metrics.json"),
    "linear": (evaluate, ["--head", "logreg"], "metrics.json"),
    "tune": (evaluate, ["--head", "knn", "--tune", "3"], "metrics.json"),
    "heads": (compare, ["--heads", "logreg,svm,knn"], "compare.json"),
    "targets": (probe, ["--quick", "--targets", "emotion,speaker"], "probe.json"),
}


@pytest.mark.parametrize(
    "name",
    [
        "folds",
        "targets",
        *(pytest.param(name, marks=pytest.mark.torture) for name in ("linear", "tune", "heads")),
    ],
)
def test_the_same_bytes(crew, make_cache, tmp_path, monkeypatch, capsys, name):
    main, options, result = COMMANDS[name]
    make_cache(speakers=4, takes=3)
    monkeypatch.chdir(tmp_path)  # where the workers are not
    argv = [*options, "--cache", "embeddings.h5", "-q"]
    assert main([*argv, "--out", "here"]) == 0
    assert main([*argv, "--out", "there", "--scheduler", crew.scheduler]) == 0
    here, there = (tmp_path / folder / result for folder in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


@pytest.mark.torture
def test_workers_of_its_own(make_cache, tmp_path, capsys):
    cache = make_cache(speakers=4, takes=3)
    argv = ["--head", "svm", "--cache", str(cache), "--json", "-q"]
    for more in ([], ["--scheduler", "local:2"]):
        assert evaluate([*argv, "--out", str(tmp_path / "run"), *more]) == 0
    one, other = capsys.readouterr().out.split("}\n{")
    assert json.loads(one + "}") == json.loads("{" + other)


def test_a_head_that_fails_there_is_left_out_as_here(crew, make_cache, tmp_path, capsys):
    cache = make_cache(speakers=2, takes=1)  # too few for the inner folds of svm
    argv = ["--heads", "logreg,knn,svm", "--cache", str(cache), "--out", str(tmp_path / "run")]
    assert compare([*argv, "--scheduler", crew.scheduler, "-q"]) == 3
    failed = json.loads((tmp_path / "run" / "compare.json").read_text())["failed"]
    assert "cannot learn from 4 utterances" in failed["svm"]


def test_no_worker(make_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["data.scheduler"], "WORKER_SECONDS", 0.5)
    with Crew(tmp_path, 0) as empty, pytest.raises(SchedulerError, match="has no worker"):
        evaluate(["--cache", str(make_cache()), "--scheduler", empty.scheduler])
