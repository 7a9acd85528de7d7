"""All commands with an output that is not UTF-8, and their CSV."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from classify.commands.evaluate import main as evaluate
from classify.inference.files import output
from classify.inference.predictor import Answer
from classify.inference.stream.display import live_line
from classify.inference.stream.loop import Moment
from classify.inference.stream.voice import Activity
from classify.inference.timeline import Timeline, as_csv
from data.spreadsheet import restored
from data.utterance import Utterance

COMMANDS = """
import sys
from classify.commands import evaluate, train
from classify.commands import compare
from classify.commands import predict
from classify.commands import probe
from data.commands import export, info, pack, scan
from extract.commands import verify
from data.console import run
from extract.__main__ import main as extract

corpus, cache = "corpus", "c.h5"
named = [corpus, "--pattern", "{emotion}/{speaker}_{take}"]
chosen = ["--cache", cache, "--labels", "native"]
recording = [corpus + "/Ärger/s0_00.wav", corpus + "/×–…/s1_01.wav"]
for main, argv in (
    (scan.main, named),
    (scan.main, [*named, "--csv"]),
    (scan.main, [*named, "--json"]),
    (extract, [*named, "--model", "untrained:tiny", "-o", cache]),
    (info.main, [cache]),
    (info.main, [cache, "--json"]),
    (verify.main, [cache]),
    (pack.main, ["other.h5", cache]),
    (export.main, [cache, "-o", "c.npz"]),
    (evaluate.main, [*chosen, "--head", "logreg", "--out", "run"]),
    (evaluate.main, [*chosen, "--head", "logreg", "--out", "run", "--json"]),
    (probe.main, [*chosen, "--quick", "--out", "probe"]),
    (compare.main, [*chosen, "--heads", "ridge,lda", "--out", "compare"]),
    (train.main, [*chosen, "--head", "logreg", "-o", "model", "--fit-only"]),
    (predict.main, ["model", *recording]),
    (predict.main, ["model", *recording, "--csv"]),
    (predict.main, ["model", *recording, "--json"]),
    (scan.main, ["--help"]),
):
    print("@@", main.__module__, flush=True)
    try:
        print("@@ status", run(lambda: main(argv)), flush=True)
    except SystemExit as done:
        print("@@ status", done.code, flush=True)
"""


def test_every_command_runs_where_output_is_not_utf8(tmp_path: Path, waveform) -> None:
    for number in range(12):
        file = tmp_path / "corpus" / ("Ärger", "×–…")[number % 2] / f"s{number % 4}_{number:02}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, waveform(number, 0.3), 16_000)
    (tmp_path / "all.py").write_text(COMMANDS, encoding="utf-8")
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "all.py"], cwd=tmp_path, capture_output=True, timeout=280,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    out, err = done.stdout.decode("ascii"), done.stderr.decode("ascii")
    assert "Traceback" not in err, err
    statuses = [line for line in out.splitlines() if line.startswith("@@ status")]
    assert statuses == ["@@ status 0"] * 18, (out, err)
    parts = [part.partition("\n")[2] for part in out.split("@@ ") if "status" not in part]
    documents = [part for part in parts if part.lstrip().startswith(("{", "["))]
    assert len(documents) == 4
    scanned, info, scores, answers = map(json.loads, documents)
    assert {row["emotion"] for row in scanned["utterances"]} == {"Ärger", "×–…"}
    assert set(info["corpora"]["corpus"]["emotions"]) == {"Ärger", "×–…"}
    assert scores["classes"] == sorted(["Ärger", "×–…"])
    assert [Path(answer["file"]).parent.name for answer in answers] == ["Ärger", "×–…"]


def test_class_names_in_a_runs_folder_are_no_formulas(make_cache, tmp_path, capsys) -> None:
    names = ["=1+1", "@SUM(A1)", "-maybe", "+1"]
    cache = make_cache(columns={"note": [names[n // 4 % 4] for n in range(80)]})
    out = tmp_path / "run"
    assert evaluate(["--cache", str(cache), "--target", "note", "--out", str(out), "-q"]) == 0
    with open(out / "predictions.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert sorted(map(restored, header[5:])) == sorted(names)
    for cell in {*header, *(row[3] for row in rows), *(row[4] for row in rows)}:
        assert not cell.startswith(("=", "@", "-"))
    assert {restored(row[3]) for row in rows} == set(names)
    assert all(0 <= float(share) <= 1 for row in rows for share in row[5:])
    assert '"=1+1"' in (out / "metrics.json").read_text(encoding="utf-8")
    capsys.readouterr()


def test_a_timelines_csv_has_no_formulas_and_its_numbers_stay(tmp_path) -> None:
    numbers = np.array([[-0.5, 0.25], [-1.0, 0.5]])
    at = np.array([0.0, 1.0])
    values = Timeline(at, at + 1, numbers, ("-valence", "arousal"), True, np.zeros(2))
    assert as_csv(values).splitlines() == [
        "start,end,'-valence,arousal",
        "0.000,1.000,-0.500000,0.250000",
        "1.000,2.000,-1.000000,0.500000",
    ]
    over_time = Timeline(at, at + 1, np.array([[0.9, 0.1]] * 2), ("=a", "b"), False, np.zeros(2))
    assert as_csv(over_time).splitlines()[1] == "0.000,1.000,'=a,0.900000,0.100000"


def test_predictions_as_csv_are_no_formulas(capsys) -> None:
    utterance = Utterance("-dir/=a.wav", "", Path("-dir"), "=a.wav", start=0.0, end=1.0)
    answer = Answer(utterance, {"=happy": 0.75, "sad": 0.25})
    output.print_csv([answer], ["emotion", "=happy", "sad"], parts=True)
    assert capsys.readouterr().out.splitlines() == [
        "file,start,end,emotion,'=happy,sad",
        "'-dir/=a.wav,0.0,1.0,'=happy,0.750000,0.250000",
    ]


def test_the_live_line_of_a_stream_is_escaped(capsys) -> None:
    values = {"a\x1b[31m\n": 0.75, "b": 0.25}
    moment = Moment(1.0, Activity(True, -20.0, -60.0), None, values, 0, 0.0)
    live_line(moment, numbers=False)
    shown = capsys.readouterr().out
    assert shown.startswith("\r")
    assert shown.endswith("\x1b[K")
    assert "a\\x1b[31m\\n" in shown
    assert (shown.count("\x1b"), shown.count("\n")) == (1, 0)
