"""Samples of all torture tests; `make torture` runs them at full length."""

import json
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import crash
import fuzz
import growth
import pytest
import storm

from data import Cache
from data.cache.file import parts_folder
from data.cache.writer import write_cache

HERE = Path(__file__).parent


@pytest.fixture
def corpus(tmp_path):
    storm.make_corpus(tmp_path / "corpus", 60)
    return tmp_path / "corpus"


def extractor(corpus, cache, *more, **options):
    command = [sys.executable, storm.EXTRACTOR, corpus, "-o", cache, *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def heedful():
    """Heed Ctrl-C even if these tests run in the background of a shell, which ignores it there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finished(corpus, cache):
    """Run to the end, undisturbed; return how many had to be embedded."""
    out, error = (process := extractor(corpus, cache)).communicate(timeout=120)
    assert process.returncode == 0, error
    return int(out.split()[0])


def test_killed_at_random_nothing_is_lost(tmp_path):
    outcome = storm.storm(tmp_path, kills=3, count=100)
    assert outcome.kills >= 3
    assert outcome.reads > 0
    assert outcome.acknowledged > 0
    assert (outcome.lost, outcome.unreadable, outcome.identical) == (0, 0, True)


def test_power_loss_between_any_two_writes(tmp_path):
    states, failures = crash.power_losses(tmp_path, every=12)
    assert states > 40
    assert not failures


def test_the_power_loss_model_notices_a_missing_flush(tmp_path):
    _, failures = crash.power_losses(tmp_path, every=12, ignored="flush")
    assert failures


def test_disk_full_at_any_call(tmp_path):
    points, failures = crash.full_disks(tmp_path, every=9)
    assert points > 5
    assert not failures


@pytest.mark.parametrize(
    "signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.torture)]
)
def test_a_signal_publishes_what_is_finished(corpus, tmp_path, signum):
    cache = tmp_path / "c.h5"
    process = extractor(
        corpus, cache, "--slow", "0.3", "--shard", "1000", "--batch", "1.0", preexec_fn=heedful
    )
    for _ in range(4):  # three batches are done when the fourth begins
        assert process.stderr.readline() == "a batch\n"
    process.send_signal(signum)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signum, error
    assert "Traceback" not in error
    with Cache(parts_folder(cache)) as finished_part:
        kept = len(finished_part)
    assert 0 < kept < 60
    assert finished(corpus, cache) == 60 - kept


@pytest.mark.parametrize(
    "limit", [100, 12_000, *(pytest.param(n, marks=pytest.mark.torture) for n in (5_000, 20_000))]
)
def test_a_file_size_limit_stops_it_cleanly(corpus, tmp_path, limit):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    cache = tmp_path / "c.h5"
    process = extractor(corpus, cache, preexec_fn=limited)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 74, error
    assert "finished work is kept" in error
    assert not list(tmp_path.rglob("*.tmp"))
    finished(corpus, cache)
    assert len(Cache(cache)) == 60


def mounted(folder, options):
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a file system needs root")


@pytest.mark.parametrize(
    "kilobytes", [24, *(pytest.param(n, marks=pytest.mark.torture) for n in (8, 48))]
)
def test_a_full_file_system(corpus, tmp_path, kilobytes):
    mounted(small := tmp_path / "small", f"size={kilobytes}k")
    try:
        process = extractor(corpus, small / "c.h5", "--shard", "15")
        _, error = process.communicate(timeout=60)
        assert process.returncode == 74, error
        assert "No space left" in error
        assert "finished work is kept" in error
        kept = 0
        if list(parts_folder(small / "c.h5").glob("*.h5")):
            kept = len(Cache(parts_folder(small / "c.h5")))
        subprocess.run(["mount", "-o", "remount,size=4m", small], check=True)
        assert finished(corpus, small / "c.h5") == 60 - kept
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_read_only_folder(corpus, tmp_path):
    mounted(sealed := tmp_path / "sealed", "ro")
    try:
        process = extractor(corpus, sealed / "c.h5")
        _, error = process.communicate(timeout=60)
        assert process.returncode == 74
        assert error.startswith("error: Read-only file system")
    finally:
        subprocess.run(["umount", "-l", sealed], check=True)


def fuzzed(kind, files):
    done = subprocess.run(
        [sys.executable, HERE / "fuzz.py", kind, *files],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def fuzz_audio(folder, count, seed=0):
    """Mutate recordings of all formats `count` times each, and read them."""
    chance, files = random.Random(seed), []
    for extension, content in fuzz.recordings().items():
        for number in range(count):
            path = folder / f"{number}.{extension}"
            path.write_bytes(fuzz.mutate(content, chance))
            files.append(path)
    return len(files), fuzzed("audio", files)


def fuzz_caches(folder, count, seed=0):
    """Mutate a cache file `count` times and read it."""
    columns, layers, baselines = crash.shard(0)
    write_cache(folder / "sound.h5", crash.RECIPE, columns, layers, baselines=baselines)
    content = (folder / "sound.h5").read_bytes()
    chance, files = random.Random(seed), []
    for number in range(count):
        path = folder / f"{number}.h5"
        path.write_bytes(fuzz.mutate(content, chance))
        files.append(path)
    return count, fuzzed("cache", files)


def test_hostile_audio_is_harmless(tmp_path):
    count, result = fuzz_audio(tmp_path, 60)
    assert sum(result["outcomes"].values()) == count
    assert result["slowest"] < 5
    assert result["megabytes"] < 1_000
    assert result["outcomes"]["read"] > 0
    assert len(result["outcomes"]) > 5


def test_damaged_caches_are_named_as_such(tmp_path):
    count, result = fuzz_caches(tmp_path, 60)
    assert sum(result["outcomes"].values()) == count
    assert result["outcomes"].get("clean", 0) < count / 2


@pytest.mark.torture
def test_memory_does_not_grow_with_the_corpus():
    few, many = (growth.extraction(count)["megabytes"] for count in (500, 2_000))
    assert many <= 1.15 * few


@pytest.mark.torture  # as all that measures time
def test_time_is_linear(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = growth.times((512, 4_096, 16_384))
    assert all(exponent < 1.4 for exponent in result["exponents"].values()), result
