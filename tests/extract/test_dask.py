"""Extraction on real Dask workers, also with failures of workers and schedulers."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import cluster_storm
import numpy as np
import pytest
import soundfile
import storm
from clusters import extracted, listed
from standin import Source, StandIn
from workers import Crew

from data import Cache
from data.cache.file import parts_folder
from data.errors import SchedulerError
from extract import pipeline
from extract.__main__ import main
from extract.degradations import conditions
from extract.parallel import dask
from extract.parallel.workers import Cluster


@pytest.fixture(scope="module")
def crew(tmp_path_factory):
    """A scheduler and two workers."""
    with Crew(tmp_path_factory.mktemp("crew"), 2) as crew:
        yield crew


@pytest.fixture
def empty(tmp_path):
    """A scheduler without workers."""
    with Crew(tmp_path, 0) as crew:
        yield crew


@pytest.fixture
def logged(caplog):
    """What is logged."""
    caplog.set_level("INFO", "wav2emo")
    return caplog


@pytest.fixture
def corpus(tmp_path):
    storm.make_corpus(tmp_path / "corpus", 60)
    return tmp_path / "corpus"


def alone(corpus, cache):
    pipeline.extract(listed(corpus), StandIn(), cache)
    return storm.without_provenance(cache)


def test_the_cache_is_that_of_one_process_byte_for_byte(crew, corpus, tmp_path):
    (corpus / "anger" / "noise.wav").write_bytes(b"no audio at all")
    summary = extracted(corpus, tmp_path / "c.h5", crew)
    assert (summary.embedded, summary.total, len(summary.refused)) == (60, 60, 1)
    assert storm.without_provenance(tmp_path / "c.h5") == alone(corpus, tmp_path / "alone.h5")
    assert not parts_folder(tmp_path / "c.h5").exists()
    logged = (tmp_path / "c.h5.errors.jsonl").read_text()
    assert json.loads(logged)["file"] == str(corpus / "anger" / "noise.wav")


def test_conditions_are_those_of_one_process(crew, corpus, tmp_path):
    utterances = degraded(corpus, ["noise:10:babble", "crop:100"])
    settings = pipeline.Settings(batch_seconds=1.0)
    on = Cluster(crew.scheduler)
    _, summary = dask.extract(utterances, Source(), tmp_path / "c.h5", settings, on)
    assert summary.embedded == summary.total == 180
    pipeline.extract(utterances, StandIn(), tmp_path / "alone.h5")
    one, other = (storm.without_provenance(tmp_path / name) for name in ("c.h5", "alone.h5"))
    assert one == other


def degraded(corpus, specs):
    utterances = listed(corpus)
    made = conditions(specs, utterances)
    return [
        *utterances,
        *(u.degraded(c) for of in made for u, c in zip(utterances, of, strict=True)),
    ]


def test_cached_utterances_are_not_embedded_again(crew, corpus, tmp_path):
    extracted(corpus, tmp_path / "c.h5", crew)
    changed = corpus / "anger" / "00000.wav"
    changed.write_bytes((corpus / "anger" / "00002.wav").read_bytes())
    summary = extracted(corpus, tmp_path / "c.h5", crew)
    assert (summary.embedded, summary.cached, summary.total) == (1, 59, 60)


def test_a_real_encoder_by_the_command_line(crew, corpus, tmp_path, capsys):
    there, here = tmp_path / "there.h5", tmp_path / "here.h5"
    argv = [str(corpus), "--model", "untrained:tiny", "--json", "--sequence", "5"]
    argv += ["--engine", "torch", "--precision", "float32"]
    assert main([*argv, "-o", str(there), "--scheduler", crew.scheduler]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["embedded"], printed["refused"]) == (60, [])
    assert main([*argv, "-o", str(here)]) == 0
    with Cache(there) as one, Cache(here) as other:
        assert one.recipe == other.recipe
        assert one.utterances.equals(other.utterances)
        for pooling in one.poolings:
            found, expected = one.embeddings(pooling), other.embeddings(pooling)
            error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
            assert error < 1e-5


def test_workers_of_its_own(corpus, tmp_path):
    on, settings = Cluster("local:2"), pipeline.Settings()
    _, summary = dask.extract(listed(corpus), Source(), tmp_path / "c.h5", settings, on)
    assert summary.embedded == summary.total == 60


def test_killed_workers_and_a_restarted_scheduler(tmp_path):
    outcome = cluster_storm.cluster_storm(tmp_path, 2, kills=1, restarts=1, count=120, slow=0.2)
    assert (outcome.kills, outcome.restarts, outcome.runs) == (1, 1, 2)
    assert outcome.fine, outcome


def test_an_utterance_that_kills_its_workers_is_found_and_refused(tmp_path, corpus):
    utterances = listed(corpus)
    fatal = utterances[37]
    soundfile.write(fatal.file, np.full(2_000, 0.1, np.float32), 16_000)  # no other is as long
    options = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0", "STANDIN_FATAL": "2000"}
    with Crew(tmp_path, 2, **options) as crew:
        summary = extracted(corpus, tmp_path / "c.h5", crew, Source(slow=0.01))
    assert [refusal.utterance.id for refusal in summary.refused] == [fatal.id]
    assert summary.refused[0].reason.startswith("its workers were lost repeatedly")
    assert summary.total == 59


@pytest.mark.torture
def test_a_worker_that_joins_late_is_given_chunks(empty, corpus, tmp_path, logged):
    empty.start_worker()
    counts = []

    def join(count):
        counts.append(count)
        if counts == [1]:
            empty.start_worker(preexec=limited)

    summary = extracted(corpus, tmp_path / "c.h5", empty, Source(slow=0.5), watch=join)
    assert (summary.total, max(counts)) == (60, 2)
    assert "File too large" in logged.text


def test_a_lost_scheduler_ends_the_run_and_the_same_command_resumes(tmp_path, corpus):
    with Crew(tmp_path, 1) as crew:

        def lose(count):
            threading.Timer(2, crew.restart_scheduler).start()

        with pytest.raises(SchedulerError, match=r"is lost; .* run the same command again"):
            extracted(corpus, tmp_path / "c.h5", crew, Source(slow=0.5), watch=lose)
        assert extracted(corpus, tmp_path / "c.h5", crew).total == 60


@pytest.mark.torture
def test_a_worker_that_hangs_costs_its_chunk_alone(crew, corpus, tmp_path, logged):
    hanging = crew.start_worker()
    try:
        crew.wait(3)
        hanging.send_signal(signal.SIGSTOP)
        summary = extracted(corpus, tmp_path / "c.h5", crew, timeout=5)
    finally:
        hanging.kill()
        hanging.wait()
    assert summary.total == 60


def test_a_worker_with_other_weights_is_refused(crew, corpus, tmp_path, logged):
    alone(corpus, tmp_path / "c.h5")
    (corpus / "anger" / "00000.wav").unlink()
    storm.make_corpus(corpus / "more", 40)
    other = crew.start_worker(STANDIN_WEIGHTS="theirs")
    try:
        crew.wait(3)
        summary = extracted(corpus, tmp_path / "c.h5", crew, Source(slow=0.3))
    finally:
        other.kill()
        other.wait()
    assert summary.embedded == 40
    assert "its recipe differs from the recipe of the cache" in logged.text
    assert "weights: none (cache) ≠ theirs (asked)" in logged.text


def with_version(folder, name, version):
    """A PYTHONPATH on which a library says that it has another version."""
    about = folder / "site" / f"{name}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return os.pathsep.join([str(about.parent), str(Path.cwd()), str(Path(storm.__file__).parent)])


@pytest.mark.parametrize("there", [False, pytest.param(True, marks=pytest.mark.torture)])
def test_a_worker_with_other_transformers_is_refused(crew, corpus, tmp_path, capsys, there):
    argv = ["--model", "untrained:tiny", "-o", str(tmp_path / "c.h5"), "--engine", "torch"]
    if there:
        assert main([str(corpus), *argv]) == 0
        storm.make_corpus(corpus / "more", 40)
    other = crew.start_worker(PYTHONPATH=with_version(tmp_path, "transformers", "4.57.0"))
    try:
        crew.wait(3)
        assert main([str(corpus), *argv, "--scheduler", crew.scheduler]) == 0
    finally:
        other.kill()
        other.wait()
    other_version = f"the other workers {version('transformers')}; install the same version"
    expected = f"it has transformers 4.57.0, {other_version}"
    assert expected in capsys.readouterr().err
    with Cache(tmp_path / "c.h5") as cache:
        assert len(cache) == (100 if there else 60)
        assert cache.provenance["transformers"] == version("transformers")


def test_all_workers_with_other_weights_are_reported(empty, corpus, tmp_path):
    alone(corpus, tmp_path / "c.h5")
    empty.start_worker(STANDIN_WEIGHTS="theirs")
    with pytest.raises(SchedulerError, match=r"no worker is left; 1 worker not used, .* weights"):
        extracted(corpus, tmp_path / "c.h5", empty)


def limited():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def test_a_full_disk_on_one_worker(crew, corpus, tmp_path, logged):
    small = crew.start_worker(preexec=limited)
    try:
        crew.wait(3)
        summary = extracted(corpus, tmp_path / "c.h5", crew)
    finally:
        small.kill()
        small.wait()
    assert summary.total == 60
    assert "File too large" in logged.text


def test_full_disks_on_all_workers(empty, corpus, tmp_path):
    empty.start_worker(preexec=limited)
    with pytest.raises(OSError, match="File too large"):  # leads to exit status 74
        extracted(corpus, tmp_path / "c.h5", empty)


def test_a_worker_without_the_recordings_is_refused(empty, corpus, tmp_path, logged):
    empty.start_worker()
    empty.start_worker(WAV2EMO_AUDIO_PREFIX=f"{corpus}={tmp_path / 'nowhere'}")
    empty.wait(2)
    assert extracted(corpus, tmp_path / "c.h5", empty).total == 60
    assert "is missing there; see --audio-prefix" in logged.text


def test_a_worker_with_an_unexpected_error_is_refused(empty, corpus, tmp_path, logged):
    empty.start_worker()
    empty.start_worker(STANDIN_BROKEN="yes")
    empty.wait(2)
    summary = extracted(corpus, tmp_path / "c.h5", empty)
    assert (summary.total, summary.refused) == (60, [])
    assert "is not used: ZeroDivisionError: broken" in logged.text


def test_recordings_that_are_gone_are_named(crew, corpus, tmp_path):
    utterances = listed(corpus)
    utterances[0].file.unlink()
    on, settings = Cluster(crew.scheduler), pipeline.Settings()
    _, summary = dask.extract(utterances, Source(), tmp_path / "c.h5", settings, on)
    assert summary.total == 59
    assert [r.utterance.id for r in summary.refused] == [utterances[0].id]
    assert summary.refused[0].reason == "No such file or directory"


def test_workers_see_the_audio_elsewhere(empty, corpus, tmp_path, logged):
    expected = alone(corpus, tmp_path / "alone.h5")
    utterances = listed(corpus)
    for name in ("there", "wrong"):
        storm.make_corpus(tmp_path / name, 60)
    for utterance in utterances:
        wrong = tmp_path / "wrong" / utterance.path
        wrong.write_bytes(wrong.read_bytes()[:-2])
    good = f"{corpus}={tmp_path / 'there'}"
    empty.start_worker(WAV2EMO_AUDIO_PREFIX=good)
    empty.start_worker(WAV2EMO_AUDIO_PREFIX=f"{corpus}={tmp_path / 'wrong'}")
    empty.wait(2)
    extracted(corpus, tmp_path / "c.h5", empty)
    assert "differs from the client's file" in logged.text
    assert storm.without_provenance(tmp_path / "c.h5") == expected


@pytest.mark.parametrize(
    ("signum", "local"),
    [
        (signal.SIGINT, True),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.torture),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.torture),
    ],
)
def test_a_signal_publishes_what_is_done(crew, tmp_path, signum, local):
    storm.make_corpus(tmp_path / "corpus", 200)
    program = (
        "import sys; from pathlib import Path; from data import corpora\n"
        "from data.console import run\n"
        "from extract import pipeline; from extract.parallel import dask\n"
        "from standin import Source\n"
        "from extract.parallel.workers import Cluster\n"
        "def work():\n"
        "    found = list(corpora.read(Path(sys.argv[1])).utterances)\n"
        "    on, settings = Cluster(sys.argv[3]), pipeline.Settings(1.0)\n"
        "    dask.extract(found, Source(slow=0.5), Path(sys.argv[2]), settings, on)\n"
        "sys.exit(run(work))"
    )
    cache = tmp_path / "c.h5"
    process = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "corpus", cache,
         "local:2" if local else crew.scheduler],
        env=os.environ | {"PYTHONPATH": f"{Path.cwd()}:{Path(storm.__file__).parent}"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        start_new_session=True,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not parts_folder(cache).exists():
        time.sleep(0.05)
    time.sleep(2)
    os.killpg(process.pid, signum) if local else process.send_signal(signum)  # as a terminal does
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signum, error
    assert "Traceback" not in error
    with Cache(parts_folder(cache)) as kept:
        count = len(kept)
    assert 0 < count < 200
    assert extracted(tmp_path / "corpus", cache, crew).embedded == 200 - count


def test_no_worker_at_all(empty, corpus, tmp_path):
    with pytest.raises(SchedulerError, match=r"no worker, .* within 1 s; start one with 'dask wor"):
        extracted(corpus, tmp_path / "c.h5", empty, wait=1)


def test_no_worker_with_the_resource(crew, corpus, tmp_path):
    crew.wait(2)
    with pytest.raises(
        SchedulerError, match=r"2 workers .* resource GPU within .* \(announced: none\)"
    ):
        extracted(corpus, tmp_path / "c.h5", crew, resource="GPU", wait=1)


def test_only_workers_with_a_gpu_where_one_announces_it(crew, corpus, tmp_path):
    one = crew.start_worker("--resources", "GPU=1")
    counts = []
    try:
        crew.wait(3)
        summary = extracted(corpus, tmp_path / "c.h5", crew, watch=counts.append)
    finally:
        one.kill()
        one.wait()
    assert summary.total == 60
    assert counts == [1]


@pytest.mark.torture
def test_other_versions_are_reported_in_a_line(empty, corpus, tmp_path, logged):
    empty.start_worker(PYTHONPATH=with_version(tmp_path, "cloudpickle", "3.0.9"))
    empty.wait(1)
    logged.clear()
    assert extracted(corpus, tmp_path / "c.h5", empty).total == 60
    lines = [record.getMessage() for record in logged.records if "3.0.9" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("cloudpickle ")
