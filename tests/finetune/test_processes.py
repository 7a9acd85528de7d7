"""Fine-tunings in several processes, or killed, without disk or memory: the same weights."""

import os
import resource
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from forks import Forks
from tunings import command, same, weights

from data.console import run as run_command
from extract.__main__ import main as extract_main
from extract.encoders.checkpoint import find
from extract.encoders.encoder import load

KILLED = """
import os, sys
from transformers import Trainer

steps = 0
step = Trainer.training_step
def dying(self, *args, **more):
    global steps
    steps += 1
    if steps == {step}:
        os.kill(os.getpid(), 9)
    return step(self, *args, **more)
Trainer.training_step = dying
"""
COMMAND = """
import sys
from data.console import run
from extract.__main__ import main
sys.exit(run(lambda: main(sys.argv[1:])))
"""


@pytest.fixture(scope="session")
def forks(tmp_path_factory):
    """Processes that have imported what a fine-tuning needs."""
    forks = Forks(tmp_path_factory.mktemp("forks"), "peft", "transformers.trainer", "finetune.run")
    yield forks
    forks.close()


@pytest.fixture
def one_thread():
    """Another number of threads, which other tests may set, rounds differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_killed_training_ends_with_the_same_weights(recordings, tmp_path, one_thread, forks):
    """With dropout, masks and early stopping; killed in the first and in a later epoch, where a
    checkpoint is only half written, too."""
    plain = tmp_path / "plain"
    assert extract_main(command(recordings, plain)) == 0
    for step in (2, 6):
        killed = tmp_path / str(step)
        died, printed = forks.run(KILLED.format(step=step) + COMMAND, command(recordings, killed))
        assert died == [-signal.SIGKILL], printed
        assert not (killed / "fold-1").exists()
        checkpoints = [*(killed / "fold-1.training").glob("checkpoint-*")]
        assert len(checkpoints) == (step > 2)
        half = killed / "fold-1.training" / "checkpoint-99"
        half.mkdir(parents=True)
        (half / "model.safetensors").write_bytes(b"half")
        assert extract_main(command(recordings, killed)) == 0
        assert same(plain / "fold-1", killed / "fold-1")
        assert not list(killed.glob("*.training"))


def launched(arguments: list[str]) -> tuple[list[int], str]:
    """By ``torchrun``."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
               "--master-addr", "127.0.0.1", "--master-port", "0", "--rdzv-backend", "c10d",
               "--rdzv-endpoint", "127.0.0.1:0", "-m", "extract"]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment)
    return [ran.returncode], ran.stderr


@pytest.mark.parametrize("torchrun", [False, pytest.param(True, marks=pytest.mark.torture)])
def test_two_processes_train_as_one_with_twice_the_batch(still, tmp_path, forks, torchrun):
    """Mean gradients over gloo equal gradients accumulated over pairs of batches."""
    root = tmp_path / "even"
    random = np.random.default_rng(0)
    for number in range(32):  # of one length, so that batches have as many utterances
        file = root / ("anger", "sadness")[number % 2] / f"s{number // 8}_{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, 0.1 * random.standard_normal(9600), 16_000, subtype="PCM_16")
    more = ["--model", str(still), "--patience", "0", "--epochs", "2", "--folds", "2",
            "--batch-seconds", "2.4", "--mask-time", "0.1"]  # fmt: skip
    alone, both = tmp_path / "alone", tmp_path / "both"
    assert extract_main(command(root, alone, *more, "--accumulate", "2")) == 0
    if torchrun:
        statuses, printed = launched(command(root, both, *more))
    else:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        ranks = [
            address | {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
            for rank in "01"
        ]
        statuses, printed = forks.run(COMMAND, command(root, both, *more), *ranks)
    assert not any(statuses), printed
    one, other = weights(alone / "fold-1"), weights(both / "fold-1")
    base = load(find(str(still))).model.state_dict()
    moved = max(float((one[key] - base[key]).abs().max()) for key in base)
    assert moved > 1e-5
    for key, value in one.items():
        assert float((value - other[key]).abs().max()) < 1e-3 * moved, key


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.torture)])
def test_workers_of_a_scheduler_train_the_same(recordings, tmp_path, workers):
    distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")
    alone, spread = tmp_path / "alone", tmp_path / "spread"
    assert extract_main([*command(recordings, alone), "--fold", "2"]) == 0
    with distributed.LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster:
        more = ["--fold", "2", "--scheduler", cluster.scheduler_address]
        assert extract_main([*command(recordings, spread), *more]) == 0
    for name in ("fold-1", "fold-2"):
        one, other = weights(alone / name), weights(spread / name)
        for key, value in one.items():  # another number of threads rounds differently
            assert float((value - other[key]).abs().max()) < 1e-3, key


def test_a_full_disk_loses_no_finished_epoch(recordings, tmp_path, one_thread, capsys):
    """The size of files is limited, so that a checkpoint and the final weights cannot be written;
    afterwards the same command ends with the weights of an undisturbed run."""
    plain, full = tmp_path / "plain", tmp_path / "full"
    more = ("--method", "full")
    assert extract_main(command(recordings, plain, *more)) == 0
    size = (plain / "fold-1" / "model.safetensors").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        status = run_command(lambda: extract_main(command(recordings, full, *more)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 74
    assert "free some space and run the same command again" in capsys.readouterr().err
    assert not (full / "fold-1").exists()
    assert extract_main(command(recordings, full, *more)) == 0
    assert same(plain / "fold-1", full / "fold-1")


LIMITED = """
import resource
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20),) * 2)
"""


def test_a_batch_that_does_not_fit_into_memory_is_named(tmp_path, forks):
    for number in range(8):
        folder = tmp_path / "corpus" / ("anger", "sadness")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(0, 0.1, 16_000 * 60)
        soundfile.write(folder / f"s{number // 2}_{number}.wav", noise, 16_000)
    arguments = command(tmp_path / "corpus", tmp_path / "out", "--method", "full")
    arguments[arguments.index("--batch-seconds") + 1] = "10000"
    arguments += ["--max-seconds", "60", "--folds", "2"]
    (status,), printed = forks.run(LIMITED + COMMAND, arguments)
    assert status != 0
    assert "does not fit into memory: use a smaller --batch-seconds" in printed
