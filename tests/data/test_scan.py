"""``python -m data scan`` as a command."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.commands.scan import main

Output = pytest.CaptureFixture[str]


def record(file: Path, seconds: float, rate: int = 16_000, channels: int = 1) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(scale=0.1, size=(round(seconds * rate), channels))
    soundfile.write(file, noise, rate)


@pytest.fixture
def emodb(tmp_path: Path) -> Path:
    """Five recordings of Emo-DB's names, of 1 to 5 s."""
    names = ["03a01Fa", "03a01Wa", "08a01Fa", "08a02Na", "16b10Lb"]
    for seconds, name in enumerate(names, start=1):
        record(
            tmp_path / "emodb" / "wav" / f"{name}.wav", seconds, 16_000 if seconds < 5 else 22_050
        )
    return tmp_path / "emodb"


def test_json_counts_and_rows(emodb: Path, capsys: Output) -> None:
    assert main([str(emodb), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (summary,) = document["corpora"]
    assert (summary["name"], summary["utterances"], summary["published"]) == ("emodb", 5, 535)
    assert summary["emotions"] == {"F": 2, "L": 1, "N": 1, "W": 1}
    assert summary["shared"]["L"] == "boredom"
    assert summary["speakers"] == {"03": 2, "08": 2, "16": 1}
    assert summary["sexes"] == {"male": 2, "female": 3}
    assert summary["languages"] == {"de": 5}
    assert summary["seconds"] == {"total": 15.0, "mean": 3.0, "min": 1.0, "max": 5.0}
    assert summary["sampling_rates"] == {"16000": 4, "22050": 1}
    assert summary["channels"] == {"1": 5}
    assert summary["warnings"] == []
    rows = document["utterances"]
    assert [row["id"] for row in rows][:2] == ["emodb/03a01Fa", "emodb/03a01Wa"]
    assert [row["duration"] for row in rows] == [1, 2, 3, 4, 5]
    assert list(rows[0])[:5] == ["id", "path", "corpus", "speaker", "emotion"]
    assert rows[0]["age"] == 31
    assert all(Path(row["path"]).is_file() for row in rows)


def test_csv_rows_open_from_the_current_folder(
    emodb: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(emodb)
    assert main(["wav", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0])[:5] == ["id", "path", "corpus", "speaker", "emotion"]
    assert rows[0]["path"] == os.path.join("wav", "03a01Fa.wav")
    assert [row["speaker"] for row in rows] == ["03", "03", "08", "08", "16"]
    monkeypatch.chdir(emodb / "wav")
    assert main(["../../emodb", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [Path(row["path"]).resolve().stem for row in rows][:1] == ["03a01Fa"]
    assert all(Path(row["path"]).is_file() for row in rows)


def test_for_people(emodb: Path, capsys: Output) -> None:
    assert main([str(emodb)]) == 0
    text = capsys.readouterr().out
    assert "5 of the 535 recordings published, 3 speakers, 0 min 15 s" in text
    assert "1.00 to 5.00 s, mean 3.00 s" in text
    assert "16,000 Hz (4), 22,050 Hz (1)" in text
    assert "language  de (5)" in text
    assert "warning" not in text
    lines = text.splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("F ")] == [
        ["F", "happiness", "2"]
    ]
    assert "  03 2   08 2   16 1" in lines
    assert max(len(line) for line in lines if str(emodb) not in line) <= 80


def test_segments_count_their_own_length(tmp_path: Path, capsys: Output) -> None:
    record(tmp_path / "long.wav", 10)
    (tmp_path / "cuts.csv").write_text(
        "file,start,end,emotion,speaker\nlong.wav,1,2.5,sad,a\nlong.wav,9,12,joy,b\n"
    )
    assert main([str(tmp_path / "cuts.csv"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["duration"] for row in document["utterances"]] == [1.5, 1.0]
    (summary,) = document["corpora"]
    assert (summary["utterances"], summary["recordings"]) == (2, 1)
    assert summary["seconds"]["total"] == 2.5
    assert summary["warnings"] == [
        "segments that end beyond their recording: 1 (first: cuts/long.wav#000009.000-000012.000)"
    ]


def test_scan_warns_of_unusual_recordings(tmp_path: Path, capsys: Output) -> None:
    root = tmp_path / "odd" / "angry"
    record(root / "fine.wav", 1)
    record(root / "empty.wav", 0)
    record(root / "short.wav", 0.01)
    (root / "text.wav").write_text("this is no audio")
    (root / "nothing.wav").touch()
    (root / "cut.flac").write_bytes(b"fLaC\0\0")
    assert main([str(tmp_path / "odd"), "--json"]) == 0
    (summary,) = json.loads(capsys.readouterr().out)["corpora"]
    assert summary["warnings"] == [
        "recordings that cannot be read as audio: 3 (first: angry/cut.flac)",
        "recordings without samples: 1 (first: angry/empty.wav)",
        "utterances shorter than 0.025 s: 1 (first: angry/short.wav)",
        "only one emotion, angry: a classifier needs two or more",
        "no speakers are known: scores will not be speaker-independent",
    ]
    assert main([str(tmp_path / "odd")]) == 0
    text = capsys.readouterr().out
    assert "6 recordings, speakers unknown" in text
    assert text.count("warning: ") == 5


def test_nothing_readable_is_still_counted(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "a.wav").touch()
    assert main([str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "1 recording, speakers unknown" in text
    assert "length    unknown" in text
    assert "rate      unknown" in text
    assert "(none)" in text
    assert "no emotions are known" in text


def test_several_corpora_and_patterns(emodb: Path, tmp_path: Path, capsys: Output) -> None:
    record(tmp_path / "own" / "s1" / "sad_1.wav", 1)
    record(tmp_path / "own" / "s2" / "joy_1.wav", 1)
    assert main([str(emodb), str(tmp_path / "own")]) == 0
    assert capsys.readouterr().out.count("====") >= 2
    assert (
        main([str(tmp_path / "own"), "--pattern", "{speaker}/{emotion}_{take}.wav", "--json"]) == 0
    )
    (summary,) = json.loads(capsys.readouterr().out)["corpora"]
    assert summary["emotions"] == {"joy": 1, "sad": 1}
    assert summary["speakers"] == {"s1": 1, "s2": 1}


def test_errors_are_one_line_with_status_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "data", "scan", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"error: no such file or folder: {tmp_path / 'nowhere'}\n"


def test_scan_warns_of_files_that_extract_refuses(emodb: Path, capsys: Output) -> None:
    record(emodb / "wav" / "08b03Tc.wav", 1, channels=9)
    record(emodb / "wav" / "08b09Tc.wav", 1, rate=2_000)
    assert main([str(emodb)]) == 0
    assert (
        "extract refuses: over 8 channels, or not 4000 to 384000 Hz: 2" in capsys.readouterr().out
    )
