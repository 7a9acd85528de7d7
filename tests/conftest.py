"""Synthetic audio and corpora from seeds."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # tests need no network, and never wait for one
# Two workers and their children share the cores: threads that wait for work leave them alone.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
import soundfile
from hypothesis import settings

from data.utterance import Utterance

settings.register_profile("any machine", deadline=None, max_examples=20)
settings.register_profile("thorough", deadline=None, max_examples=200)  # make torture
settings.load_profile("any machine")


def make_waveform(seed: int, seconds: float, rate: int = 16_000) -> np.ndarray:
    """Noise under a syllabic envelope: (sample,) float32 within ±1."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    envelope = 0.1 + np.sin(np.pi * (3 + seed % 3) * time) ** 2
    return (0.2 * envelope * random.standard_normal(len(time))).clip(-1, 1).astype(np.float32)


@pytest.fixture(scope="session")
def waveform() -> Callable[..., np.ndarray]:
    return make_waveform


@pytest.fixture
def folder_corpus(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of labels: ``corpus/<emotion>/<speaker>_<n>.wav``."""

    def make(count: int = 12, seconds: tuple[float, ...] = (0.2, 0.3, 0.5), name: str = "corpus"):
        root = tmp_path / name
        for number in range(count):
            file = root / ("anger", "sadness")[number % 2] / f"s{number % 4}_{number:04}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            samples = make_waveform(number, seconds[number % len(seconds)])
            soundfile.write(file, samples, 16_000, subtype="PCM_16")
        return root

    return make


@pytest.fixture
def utterances() -> Callable[[Path], list[Utterance]]:
    from data import corpora

    return lambda root: list(corpora.read(root).utterances)


@pytest.fixture(autouse=True)
def propagation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages reach `caplog`, whether a command has configured logging in this process or not."""
    logger = logging.getLogger("wav2emo")
    logger.setLevel(logging.NOTSET)
    monkeypatch.setattr(logger, "propagate", True)


@pytest.fixture(scope="session")
def speech() -> Path:
    """The folder with real corpora."""
    if not (folder := os.environ.get("CORPORA")):
        pytest.skip("set CORPORA to a folder with emodb/, ravdess/ and layouts/")
    return Path(folder)


@pytest.fixture(scope="session")
def outsider(tmp_path_factory) -> tuple[Path, Path]:
    """An architecture that the package lacks: a folder with its module, and a checkpoint."""
    from extract.encoders.encoder import untrained_model

    base = tmp_path_factory.mktemp("outsider")
    (base / "module").mkdir()
    (base / "module" / "outsider.py").write_text(
        "import transformers\n\n"
        "from extract.encoders.architecture import Architecture\n\n\n"
        "class Config(transformers.Wav2Vec2Config):\n"
        '    model_type = "outsider"\n\n\n'
        "class Model(transformers.Wav2Vec2Model):\n"
        "    config_class = Config\n\n\n"
        "class Outsider(Architecture):\n"
        '    model_types = ("outsider",)\n\n\n'
        'transformers.AutoConfig.register("outsider", Config)\n'
        "transformers.AutoModel.register(Config, Model)\n"
        "ARCHITECTURE = Outsider()\n"
    )
    untrained_model("untrained:tiny").save_pretrained(base / "model")
    config = base / "model" / "config.json"
    config.write_text(config.read_text().replace('"wav2vec2"', '"outsider"'))
    return base / "module", base / "model"


@pytest.fixture(autouse=True, scope="session")
def compiled_encoders(tmp_path_factory):
    """One folder of kept encoders for all tests, and none in the home of the user."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared / "compiled"))
        yield
