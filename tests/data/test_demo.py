"""The demo corpus: reproducible, with emotions as in the literature."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.commands.demo import main
from data.demo import EMOTIONS, FORMANTS, RATE, SENTENCES, SPEAKERS, resonate, speak, write
from data.errors import UsageError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpora") / "demo"
    write(root)
    return root


@pytest.fixture(scope="module")
def measured(corpus: Path) -> pd.DataFrame:
    """The table with what simple signal processing finds in each recording."""
    table = pd.read_csv(corpus / "demo.csv")
    sounds = [soundfile.read(corpus / file)[0] for file in table["file"]]
    pitches = [pitch(sound) for sound in sounds]
    return table.assign(
        seconds=[len(sound) / RATE for sound in sounds],
        rms=[np.sqrt(np.mean(sound**2)) for sound in sounds],
        f0=[np.median(p) for p in pitches],
        f0_range=[12 * np.log2(np.divide(*np.percentile(p, [75, 25]))) for p in pitches],
        bands=[bands(sound) for sound in sounds],
    )


def pitch(sound: np.ndarray) -> np.ndarray:
    """F0 in Hz of the voiced frames, by the first high peak of the autocorrelation."""
    window = np.hanning(800)
    frames = np.lib.stride_tricks.sliding_window_view(sound, 800)[::160] * window
    power = np.abs(np.fft.rfft(frames, 2048)) ** 2
    power[:, 1000 * 2048 // RATE :] = 0
    own = np.fft.irfft(np.abs(np.fft.rfft(window, 2048)) ** 2)  # Boersma (1993)
    lags = np.arange(RATE // 600, RATE // 65)
    energy, correlation = np.split(
        np.fft.irfft(power)[:, : lags[-1] + 1] / own[: lags[-1] + 1], [1], 1
    )
    found = []
    for loudness, row in zip(energy[:, 0], correlation[:, lags - 1], strict=True):
        if loudness > 0.1 * energy.mean() and row.max() > 0.8 * loudness:
            first = np.argmax(row > 0.93 * row.max())
            found.append(RATE / lags[first + np.argmax(row[first : first + lags[first] // 4 + 2])])
    return np.array(found)


def bands(sound: np.ndarray) -> np.ndarray:
    """Mean level in dB in 16 bands of 500 Hz, relative to the whole."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    energy = np.array([part.sum() for part in np.array_split(power, 16)])
    return 10 * np.log10(energy / energy.sum())


def relative_to_neutral(measured: pd.DataFrame, column: str) -> pd.Series:
    """Geometric mean over speakers and sentences of each emotion's ratio to neutral."""
    values = np.log(measured.pivot(index=["speaker", "sentence"], columns="emotion", values=column))
    return np.exp(values.sub(values["neutral"], axis=0).mean())


def test_same_seed_makes_the_same_bytes_also_over_a_half_made_corpus(
    corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav/f1_anger_s1.wav").write_bytes(b"RIFF")
    write(tmp_path)
    files = sorted(p.relative_to(corpus) for p in corpus.rglob("*") if p.is_file())
    assert len(files) == 181
    for file in files:
        assert (tmp_path / file).read_bytes() == (corpus / file).read_bytes()


def test_recording_depends_on_no_other(corpus: Path) -> None:
    alone = speak(SPEAKERS[4], "happiness", "s3", seed=0)
    written, _ = soundfile.read(corpus / "wav/m2_happiness_s3.wav", dtype="int16")
    np.testing.assert_array_equal(alone, written)


def test_another_seed_is_another_corpus() -> None:
    first, second = (speak(SPEAKERS[0], "fear", "s1", seed) for seed in (0, 1))
    assert len(first) != len(second) or (first != second).any()


def test_table_names_every_recording_once(corpus: Path) -> None:
    table = pd.read_csv(corpus / "demo.csv")
    assert list(table) == ["file", "emotion", "speaker", "sex", "sentence"]
    on_disk = {p.relative_to(corpus).as_posix() for p in corpus.rglob("*.wav")}
    assert set(table["file"]) == on_disk
    assert (table.groupby(["speaker", "emotion", "sentence"]).size() == 1).all()
    assert len(table) == len(SPEAKERS) * len(EMOTIONS) * len(SENTENCES) == 180
    assert table.groupby("sex")["speaker"].nunique().to_dict() == {"female": 3, "male": 3}


def test_recordings_are_16_bit_mono_at_16_khz(corpus: Path, measured: pd.DataFrame) -> None:
    for file in measured["file"]:
        info = soundfile.info(corpus / file)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        sound, _ = soundfile.read(corpus / file)
        assert 0.02 < np.abs(sound).max() < 0.99
    assert measured["seconds"].between(0.6, 3).all()
    assert measured["seconds"].sum() < 240


def test_f0_level_and_range_follow_the_literature(measured: pd.DataFrame) -> None:
    level = relative_to_neutral(measured, "f0")
    assert level["fear"] > level["happiness"] > level["anger"] > 1.1 > 0.95 > level["sadness"]
    extent = relative_to_neutral(measured, "f0_range")
    assert extent["happiness"] > 1.2
    assert extent["anger"] > 1.2
    assert extent["sadness"] < 0.8
    assert extent["fear"] < 1


def test_women_speak_higher_than_men(measured: pd.DataFrame) -> None:
    neutral = measured[measured["emotion"] == "neutral"].groupby("sex")["f0"]
    assert neutral.min()["female"] > neutral.max()["male"]


def test_rate_and_intensity_follow_the_literature(measured: pd.DataFrame) -> None:
    seconds = relative_to_neutral(measured, "seconds")
    assert seconds["fear"] < seconds["anger"] < 0.95
    assert seconds["happiness"] < 0.95
    assert seconds["sadness"] > 1.1
    rms = relative_to_neutral(measured, "rms")
    assert rms["anger"] > rms["happiness"] > 1 > rms["fear"] > rms["sadness"]


def test_energy_above_500_hz_follows_the_literature(measured: pd.DataFrame) -> None:
    """Up to 4 kHz, where the pulses are stronger than the breath."""
    energy = 10 ** (np.stack(measured["bands"]) / 10)
    measured = measured.assign(high=energy[:, 1:8].sum(1) / energy[:, 0])
    high = relative_to_neutral(measured, "high")
    assert high["anger"] > 1.2 * high["happiness"] > 1.2
    assert 0.8 > high["fear"] > high["sadness"]


def test_emotions_are_distinguished_across_speakers_but_not_trivially(
    measured: pd.DataFrame,
) -> None:
    features = np.column_stack([np.stack(measured["bands"]), np.log(measured[["f0", "seconds"]])])
    predicted = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression()),
        features,
        measured["emotion"],
        groups=measured["speaker"],
        cv=LeaveOneGroupOut(),
    )
    assert 0.5 < recall_score(measured["emotion"], predicted, average="macro") < 0.95


@pytest.mark.parametrize("vowel", FORMANTS)
def test_vowels_have_the_formants_of_the_table(vowel: str) -> None:
    """Oracle: the peaks of the magnitude spectrum of the impulse response."""
    impulse = np.zeros(RATE)
    impulse[0] = 1
    response, _ = resonate(impulse, np.array(FORMANTS[vowel]), np.zeros((3, 2)))
    level = np.abs(np.fft.rfft(response))
    peaks = 1 + np.flatnonzero((level[1:-1] > level[:-2]) & (level[1:-1] > level[2:]))
    np.testing.assert_allclose(peaks, FORMANTS[vowel], atol=30)


def test_main_makes_it_anew_and_says_what_comes_next(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = Path(shutil.copytree(corpus, tmp_path / "demo"))
    recording = corpus / "wav/m3_sadness_s6.wav"
    before = recording.read_bytes()
    recording.write_bytes(before[:100])
    (corpus / "notes.txt").write_text("the user's own, beside a demo corpus")
    assert main([str(corpus)]) == 0
    assert recording.read_bytes() == before
    assert (corpus / "notes.txt").exists()
    output = capsys.readouterr().out
    assert "180 synthetic recordings" in output
    assert f"python -m extract {corpus} --model untrained" in output


@pytest.mark.parametrize("foreign", ["demo.csv", "thesis.txt", "wav/interview.wav"])
def test_other_content_is_refused_and_left_alone(tmp_path: Path, foreign: str) -> None:
    file = tmp_path / foreign
    file.parent.mkdir(exist_ok=True)
    file.write_text("a,b\n")
    with pytest.raises(UsageError, match=f"{Path(foreign).name}.*new folder"):
        write(tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [file]
    assert file.read_text() == "a,b\n"


def test_a_file_and_a_negative_seed_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        write(tmp_path / "file")
    with pytest.raises(UsageError, match="--seed -1"):
        write(tmp_path / "new", seed=-1)
    assert not (tmp_path / "new").exists()


def test_unwritable_folder_is_an_io_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "data", "demo", str(tmp_path / "file" / "demo")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 74
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
