"""Tasks of job arrays as processes together make the cache of one process."""

import os
import resource
import shutil
import subprocess
import sys

import job_array
import pytest
import storm

from data import Cache
from data.cache.file import parts_folder
from data.cache.verify import problems
from data.commands.scan import main as scan

COUNT = 60


@pytest.fixture
def corpus(tmp_path):
    storm.make_corpus(tmp_path / "corpus", COUNT)
    return tmp_path / "corpus"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The bytes that a single process makes of such a corpus, provenance aside."""
    folder = tmp_path_factory.mktemp("alone")
    storm.make_corpus(folder / "corpus", COUNT)
    job_array.run_array(folder / "corpus", folder / "alone.h5", 1)
    return storm.without_provenance(folder / "alone.h5")


def ended(process):
    """Exit status, standard output, standard error."""
    out, error = process.communicate(timeout=120)
    return process.returncode, out.split(), error


def task(*args, **options):
    return ended(job_array.start(*args, **options))


@pytest.mark.parametrize(
    ("tasks", "more"),
    [
        (2, ("--elsewhere",)),
        pytest.param(4, (), marks=pytest.mark.torture),
        pytest.param(2, (), marks=pytest.mark.torture),
        pytest.param(4, ("--elsewhere",), marks=pytest.mark.torture),
    ],
)
def test_parts_make_what_one_process_makes(corpus, alone, tmp_path, tasks, more):
    printed = job_array.run_array(corpus, tmp_path / "c.h5", tasks, *more)
    assert sum(int(line.split()[0]) for line in printed) == COUNT
    assert any(line.split()[3] == "True" for line in printed)
    assert storm.without_provenance(tmp_path / "c.h5") == alone
    assert not parts_folder(tmp_path / "c.h5").exists()


@pytest.mark.parametrize("more", [(), pytest.param(("--elsewhere",), marks=pytest.mark.torture)])
def test_killed_five_times_nothing_is_lost(tmp_path, more):
    outcome = job_array.storm(tmp_path, kills=job_array.KILLS, count=150, more=more)
    assert outcome.kills >= job_array.KILLS
    assert (outcome.missing, outcome.unsound, outcome.unpacked) == (0, 0, 0)
    assert outcome.identical


def test_two_tasks_given_the_same_part(corpus, alone, tmp_path):
    names = ["1/2", "2/2", "2/2"]
    running = [job_array.start(corpus, tmp_path / "c.h5", n, "--slow", 0.1) for n in names]
    assert [ended(process)[0] for process in running] == [0, 0, 0]
    assert storm.without_provenance(tmp_path / "c.h5") == alone


def full_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))


def test_a_full_disk_stops_one_task_and_no_other(corpus, alone, tmp_path):
    cache = tmp_path / "c.h5"
    limited = job_array.start(corpus, cache, "1/3", before=full_disk)
    others = [job_array.start(corpus, cache, f"{k}/3") for k in (2, 3)]
    status, _, error = ended(limited)
    assert status == 74, error
    assert "finished work is kept" in error
    assert [ended(process)[0] for process in others] == [0, 0]
    status, printed, _ = task(corpus, cache, "1/3")
    assert (status, printed) == (0, ["20", "0", "0", "True"])
    assert storm.without_provenance(cache) == alone


def test_a_full_disk_while_the_last_packs(corpus, alone, tmp_path):
    cache = tmp_path / "c.h5"
    assert task(corpus, cache, "1/2")[0] == 0
    shard_fits = 40_000  # bytes; the cache does not
    status, _, error = task(
        corpus, cache, "2/2",
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (shard_fits, shard_fits)),
    )  # fmt: skip
    assert status == 74, error
    assert not cache.exists()
    assert task(corpus, cache, "2/2")[1] == ["0", "30", "0", "True"]
    assert storm.without_provenance(cache) == alone


def test_machines_with_other_roots_make_the_same_cache(corpus, alone, tmp_path):
    scan([str(corpus), "-o", str(tmp_path / "all.jsonl"), "-q"])
    running = []
    for k in (1, 2, 3):
        copy = tmp_path / f"machine {k}" / "speech"
        shutil.copytree(corpus, copy)
        place = ("--audio-prefix", f"{corpus}={copy}")
        running.append(job_array.start(tmp_path / "all.jsonl", tmp_path / "c.h5", f"{k}/3", *place))
    shutil.rmtree(corpus)
    assert [ended(process)[0] for process in running] == [0, 0, 0]
    assert storm.without_provenance(tmp_path / "c.h5") == alone


@pytest.mark.torture
def test_machines_in_namespaces_of_their_own(corpus, alone, tmp_path):
    """Each sees its copy of the recordings alone, at its own place, and no network."""
    if subprocess.run(["unshare", "-mn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("namespaces need root")
    scan([str(corpus), "-o", str(tmp_path / "all.jsonl"), "-q"])
    copy, place = tmp_path / "copy", tmp_path / "mounted"
    shutil.copytree(corpus, copy)
    running = []
    for k in (1, 2):
        here = place / str(k)
        here.mkdir(parents=True)
        inside = [sys.executable, job_array.TASK, tmp_path / "all.jsonl", "-o", tmp_path / "c.h5",
                  "--part", f"{k}/2", "--audio-prefix", f"{corpus}={here}"]  # fmt: skip
        hide = 'mount --bind "$0" "$1" && mount -t tmpfs none "$2" && mount -t tmpfs none "$0"'
        shell = f'{hide} && shift 2 && exec "$@"'
        running.append(
            subprocess.Popen(
                ["unshare", "-mn", "sh", "-c", shell, copy, here, corpus, *inside],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
            )
        )  # fmt: skip
    assert [ended(process)[0] for process in running] == [0, 0]
    assert storm.without_provenance(tmp_path / "c.h5") == alone
    with Cache(tmp_path / "c.h5") as cache:
        assert not list(problems(cache))
