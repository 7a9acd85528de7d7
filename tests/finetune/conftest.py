"""A small corpus and a small encoder without dropout."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import transformers
from tunings import PATTERN, PLAIN

from data import corpora
from extract.__main__ import main as extract
from extract.encoders.encoder import UNTRAINED

LENGTHS = (0.6, 0.75, 0.9, 0.6)  # seconds


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> Path:
    """``<emotion>/<speaker>_<take>.wav``: 6 speakers, 2 emotions of different pitch, 4 takes."""
    root = tmp_path_factory.mktemp("tuning") / "corpus"
    for speaker in range(6):
        for emotion, pitch in (("anger", 400), ("sadness", 150)):
            for take in range(4):
                random = np.random.default_rng((speaker, pitch, take))
                time = np.arange(round(LENGTHS[take] * 16_000)) / 16_000
                tone = np.sin(2 * np.pi * (pitch + 10 * speaker) * time)
                samples = 0.3 * tone + 0.05 * random.standard_normal(len(time))
                file = root / emotion / f"s{speaker}_{take}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(file, samples, 16_000, subtype="PCM_16")
    return root


@pytest.fixture(scope="session")
def utterances_of(recordings):
    """The utterances of the corpus."""
    return list(corpora.read(recordings, pattern="{emotion}/{speaker}_{take}").utterances)


@pytest.fixture(scope="session")
def still(tmp_path_factory) -> Path:
    """A tiny encoder whose training has no dropout."""
    folder = tmp_path_factory.mktemp("encoders") / "still"
    none = ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout")
    config = transformers.Wav2Vec2Config(
        **UNTRAINED["untrained:tiny"], **dict.fromkeys(none, 0.0), layerdrop=0.0
    )
    transformers.set_seed(0)
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tuned(recordings, tmp_path_factory) -> Path:
    """A fine-tuning in 3 folds, and of all speakers."""
    out = tmp_path_factory.mktemp("scores") / "tuned"
    command = ["finetune", str(recordings), "-o", str(out), *PATTERN, "--model", "untrained:tiny",
               "--folds", "3", "--epochs", "1", "--method", "full", "--all", "--device", "cpu",
               "-q"]  # fmt: skip
    assert extract(command) == 0
    return out


@pytest.fixture(scope="session")
def by_fold(tuned, recordings) -> Path:
    """The corpus by the encoders of all folds."""
    out = tuned.parent / "by_fold"
    command = [str(recordings), *PATTERN, "--model", str(tuned), "-o", str(out), *PLAIN]
    assert extract(command) == 0
    return out


@pytest.fixture(scope="session")
def of_one(tuned, recordings) -> Path:
    """The corpus by the encoder of fold 0."""
    out = tuned.parent / "fold-0.h5"
    command = [str(recordings), *PATTERN, "--model", str(tuned / "fold-0"), "-o", str(out), *PLAIN]
    assert extract(command) == 0
    return out
