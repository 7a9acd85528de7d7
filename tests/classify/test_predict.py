"""Prediction of recordings: inputs, reading, results and formats."""

import csv
import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import classify
from classify.commands.predict import main as predict
from classify.commands.train import main as train
from classify.dataset import load
from classify.heads import HEADS
from classify.inference.files import standard_input
from classify.inference.files.inputs import find
from classify.inference.model import Model
from classify.inference.pcm import PCM
from classify.inference.predictor import Predictor
from classify.options import Options
from classify.training_options import TrainingOptions
from data.errors import AudioError, ModelError, RecipeMismatch, UsageError
from extract import audio
from extract.__main__ import main as extract


@pytest.mark.parametrize("head", ["logreg", "mlp", "gru"])
def test_from_audio_to_answers(folder_corpus, tmp_path: Path, capsys, head: str) -> None:
    """Cache, train, predict: new audio gets the answer that its cached embedding gets."""
    corpus, cache, out = folder_corpus(), tmp_path / "cache.h5", tmp_path / "model"
    sequence = ["--sequence", "10"] if head == "gru" else []
    pattern = ["--pattern", "{emotion}/{speaker}_{take}"]
    command = [str(corpus), "--model", "untrained:tiny", "-o", str(cache), "-q"]
    assert extract([*command, *pattern, *sequence]) == 0
    epochs = ["--epochs", "5"] if HEADS[head].neural else []
    assert train(["-o", str(out), "--head", head, "--cache", str(cache), *epochs]) == 0
    capsys.readouterr()

    (corpus / "anger" / "broken.wav").write_text("not audio")
    status = predict([str(out), str(corpus), str(tmp_path / "gone.wav"), "--csv"])
    answers, problems = capsys.readouterr()
    assert status == 3
    assert "broken.wav" in problems
    assert "gone.wav" in problems
    rows = list(csv.DictReader(io.StringIO(answers)))
    columns = ["file", "emotion", "anger", "sadness", "out_of_domain", "warnings"]
    assert list(rows[0]) == columns

    model = Model.load(out)
    training = TrainingOptions(epochs=5 if epochs else None)
    chosen = model.features.layer
    data = load(Options(cache=cache, head=head, layer=chosen, training=training))
    expected = model.of_features(data.X)
    by_file = {row["file"]: row for row in rows}
    assert len(by_file) == len(rows) == len(data.y)
    for path, shares in zip(data.utterances["path"], expected, strict=True):
        row = by_file[str(corpus / path)]
        np.testing.assert_allclose([float(row[name]) for name in data.classes], shares, atol=1e-3)
        assert row["emotion"] == max(data.classes, key=lambda name: float(row[name]))

    table = tmp_path / "parts.csv"
    first = Path(rows[0]["file"]).relative_to(tmp_path)
    table.write_text(f"file,start,end\n{first},0,0.15\n{first},0.05,0.2\n")
    assert predict([str(out), str(table), "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)
    assert [part["end"] for part in parts] == [0.15, 0.2]
    assert predict([str(out), str(tmp_path / first)]) == 0
    assert str(tmp_path / first) in capsys.readouterr().out


def test_a_bfloat16_model_predicts_on_a_cpu_without_it(folder_corpus, tmp_path: Path) -> None:
    """In float32, as near as another engine in bfloat16 would be, and says so."""
    corpus, cache, out = folder_corpus(), tmp_path / "cache.h5", tmp_path / "model"
    command = [str(corpus), "--model", "untrained:tiny", "-o", str(cache), "-q"]
    assert extract([*command, "--precision", "bfloat16", "--engine", "torch"]) == 0
    assert train(["-o", str(out), "--head", "logreg", "--cache", str(cache), "-q"]) == 0
    older = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}  # of no bfloat16
    done = subprocess.run(
        [sys.executable, "-m", "classify", "predict", str(out), str(corpus), "--json",
         "--device", "cpu"],
        capture_output=True, text=True, env=os.environ | older,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "bfloat16 by torch, and here it is float32 by openvino" in done.stderr
    model = Model.load(out)
    data = load(Options(cache=cache, head="logreg", layer=model.features.layer))
    expected = dict(zip(data.utterances["path"], model.of_features(data.X), strict=True))
    answers = json.loads(done.stdout)
    assert len(answers) == len(expected)
    for answer in answers:
        shares = expected[str(Path(answer["file"]).relative_to(corpus))]
        np.testing.assert_allclose(list(answer["probabilities"].values()), shares, atol=0.05)


def test_a_missing_model_names_the_command_that_trains_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="python -m classify train"):
        predict([str(tmp_path / "none"), "a.wav"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="python -m classify train"):
        predict([str(tmp_path / "file"), "a.wav"])


@pytest.mark.parametrize(
    ("corpus", "encoder"),
    [
        ("emodb", "untrained:tiny"),
        ("ravdess", "untrained:tiny"),
        pytest.param("emodb", "untrained", marks=pytest.mark.e2e),
        pytest.param("ravdess", "untrained", marks=pytest.mark.e2e),
    ],
)
def test_real_speech(speech: Path, tmp_path: Path, capsys, corpus: str, encoder: str) -> None:
    """Trained on some actors: others get answers, and these those of their cached embeddings."""
    speakers = {"emodb": ("03", "08", "10", "14"), "ravdess": ("01", "02", "03", "04")}[corpus]
    seen, held_out, cache = tmp_path / "seen", tmp_path / "held-out", tmp_path / "cache.h5"
    for number, speaker in enumerate(speakers):
        named = f"{speaker}*.wav" if corpus == "emodb" else f"*-{speaker}.*"
        folder = held_out if number == 3 else seen
        folder.mkdir(exist_ok=True)
        for file in sorted((speech / corpus).rglob(named))[::3]:
            shutil.copy(file, folder)
    named = ["--corpus", corpus, "--model", encoder, "-o", str(cache), "-q"]
    assert extract([str(seen), *named]) == 0
    assert train(["-o", str(tmp_path / "model"), "--head", "logreg", "--cache", str(cache)]) == 0
    capsys.readouterr()
    model = Model.load(tmp_path / "model")

    options = Options(cache=cache, head="logreg", layer=model.features.layer)
    data = load(options, folds=False)
    again = model.predict([seen / path for path in data.utterances["path"]])
    found = np.array([list(answer.probabilities.values()) for answer in again])
    np.testing.assert_allclose(found, model.of_features(data.X), atol=2e-3)

    assert predict([str(tmp_path / "model"), str(held_out), "--jsonl", "-q"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["file"] for row in rows] == sorted(map(str, held_out.iterdir()))
    assert all(sum(row["probabilities"].values()) == pytest.approx(1) for row in rows)


def touched(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(inputs, root: Path, **options) -> tuple[list[str], list[str]]:
    utterances, problems = find([os.path.join(root, name) for name in inputs], **options)
    return [str(each.file.relative_to(root)) for each in utterances], problems


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["b.wav", "a.wav", "b.wav"], ["b.wav", "a.wav", "b.wav"]),
        (["*.wav"], ["a.wav", "b.wav"]),
        (["**/*.wav"], ["a.wav", "b.wav", "x/c.wav", "x/y/d.wav"]),
        (["**"], ["a.wav", "b.wav", "x/c.wav", "x/y/d.wav", "x/y/e.flac"]),
        (["*"], ["a.wav", "b.wav", "x/c.wav", "x/y/d.wav", "x/y/e.flac"]),
        (["x/*"], ["x/c.wav", "x/y/d.wav", "x/y/e.flac"]),
        (["x/?/*.flac", "[ab].wav"], ["x/y/e.flac", "a.wav", "b.wav"]),
        (["x/../a*"], ["x/../a.wav"]),
        (["odd[1].wav"], ["odd[1].wav"]),
    ],
)
def test_globs_name_what_a_shell_would(tmp_path: Path, inputs, expected) -> None:
    touched(tmp_path, "a.wav", "b.wav", "notes.txt", ".hidden.wav", "x/c.wav", "x/y/d.wav")
    touched(tmp_path, "x/y/e.flac", "x/z/nothing.txt", "x/.git/f.wav")
    if "odd[1].wav" in inputs:
        touched(tmp_path, "odd[1].wav")
    found, problems = names(inputs, tmp_path)
    assert sorted(found) == sorted(expected)
    if inputs == ["b.wav", "a.wav", "b.wav"]:
        assert found == inputs
    assert not problems


def test_a_glob_follows_no_loop(tmp_path: Path) -> None:
    touched(tmp_path, "x/a.wav")
    (tmp_path / "x" / "loop").symlink_to(tmp_path / "x")
    assert names(["x/**/*.wav"], tmp_path)[0] == ["x/a.wav"]


def test_missing_inputs_are_reported(tmp_path: Path) -> None:
    touched(tmp_path, "text.txt", "empty/text.txt", "a.wav")
    found, problems = names(["gone.wav", "text.txt", "empty", "g*", "t*", "a.wav"], tmp_path)
    assert found == ["a.wav"]
    expected = ("no such file", "expected a folder, a table", "contains no audio",
                "matches nothing", "matches no audio")  # fmt: skip
    assert len(problems) == len(expected)
    for line, words in zip(problems, expected, strict=True):
        assert words in line
    assert "empty name" in find([""])[1][0]


SAMPLES = (1000 * np.sin(np.arange(8000) / 9)).astype("<i2")


def wave(data_length: int | None = None, form: str = "WAV") -> bytes:
    """A recording of `SAMPLES`, whose header may tell another length."""
    stream = io.BytesIO()
    soundfile.write(stream, SAMPLES, 16_000, format=form, subtype="PCM_16")
    content = bytearray(stream.getvalue())
    if data_length is not None:
        place = content.index(b"data") + 4
        content[place : place + 4] = data_length.to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "raw"),
    [
        (wave(), None),
        (wave(), PCM("f32le", 8000, 2)),
        (wave(form="FLAC"), None),
        (wave(0), None),
        (wave(0x7FFFF000), None),
        (wave(0x80000000), None),
        (wave(0xFFFFFFFF), None),
        (SAMPLES.tobytes(), PCM()),
        (SAMPLES.tobytes() + b"?", PCM()),
        ((SAMPLES / np.float32(32768)).astype("<f4").tobytes(), PCM(encoding="f32le")),
        (np.repeat(SAMPLES, 3).tobytes(), PCM(channels=3)),
    ],
)
def test_standard_input_is_read_as_a_file_is(tmp_path: Path, content: bytes, raw) -> None:
    utterance = standard_input.receive(io.BytesIO(content), tmp_path, raw)
    decoded = audio.read(utterance.file)
    np.testing.assert_allclose(decoded.waveform, SAMPLES / 32768, atol=1e-7)
    assert utterance.id == "-"


def test_truncated_samples_are_reported(tmp_path: Path) -> None:
    utterance = standard_input.receive(io.BytesIO(wave()[:-100]), tmp_path, None)
    with pytest.raises(AudioError, match="cut short: 100 of 16000 bytes"):
        audio.read(utterance.file)


def test_a_stream_without_end_is_cut_off(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(standard_input, "MAX_BYTES", 3 << 20)

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"1" * size

    with pytest.raises(AudioError, match=r"more than 0\.0 GiB"):
        standard_input.receive(Endless(), tmp_path, PCM())


def test_a_pipe(tiny_model: Path, monkeypatch, capsys) -> None:
    ours, theirs = os.pipe()
    with open(ours) as stdin, open(theirs, "wb") as pipe:
        pipe.write(wave(0xFFFFFFFF))  # no more than a pipe holds
        pipe.close()
        monkeypatch.setattr(sys, "stdin", stdin)
        assert predict([str(tiny_model), "-", "--jsonl", "--window", "0.2"]) == 0
    answers, told = capsys.readouterr()
    assert all("the model was trained on" in line for line in told.splitlines())
    rows = [json.loads(line) for line in answers.splitlines()]
    assert {row["file"] for row in rows} == {"-"}
    assert [row["end"] for row in rows][-1] == 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "standard input: empty"), (b"hello, this is text", "--encoding s16le --rate 16000")],
)
def test_a_file_that_is_no_recording_is_reported(
    tiny_model, monkeypatch, capsys, content, message
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert predict([str(tiny_model), "-"]) == 3
    assert message in capsys.readouterr().err


def test_a_terminal_is_not_waited_for(tiny_model: Path, monkeypatch) -> None:
    leader, follower = os.openpty()
    with open(leader, "wb"), open(follower) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(UsageError, match="a terminal here: expected a recording"):
            predict([str(tiny_model), "-"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-"], "given twice"),
        (["a.wav", "--rate", "8000"], "add the input '-'"),
        (["a.wav", "--hop", "1"], "--window 3"),
        (["a.wav", "--out", "x"], "--window 3"),
        (["a.wav", "--window", "0"], "a window of 0 s"),
        (["a.wav", "--window", "1", "--hop", "2"], "a hop of 2 s"),
        (["a.wav", "--window", "1", "--out", __file__], "a file is there"),
        (["-", "--rate", "1"], "--rate 1: expected 4000 to 384000 Hz"),
        (["-", "--channels", "0"], "--channels 0: expected 1 to 8"),
    ],
)
def test_wrong_usage_is_reported(tiny_model, monkeypatch, arguments, message: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(wave())))
    with pytest.raises(UsageError, match=message):
        predict([str(tiny_model), *arguments])


def test_a_long_recording_is_sent_to_the_window(tmp_path: Path, tiny_model, capsys) -> None:
    soundfile.write(tmp_path / "long.wav", np.ones(601 * 4000, np.int16), 4000)
    assert predict([str(tiny_model), str(tmp_path / "long.wav")]) == 3
    problem = capsys.readouterr().err.splitlines()[-1]
    assert "601 s is longer than the 600 s read at once" in problem
    assert "--window 3" in problem


def test_another_encoder_is_refused_with_the_difference(tiny_model: Path) -> None:
    model = Model.load(tiny_model)
    recipe = model.recipe | {"weights": "0" * 64}
    changed = dataclasses.replace(model, card={**model.card, "recipe": recipe})
    with pytest.raises(RecipeMismatch, match="weights"):
        Predictor.open(changed, device="cpu")


def test_importing_classify_is_light() -> None:
    program = "import sys, classify; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        classify.Nothing  # noqa: B018


def test_missing_recordings_are_refused_before_anything_large_is_imported(tiny_model, tmp_path):
    program = (
        "import sys\n"
        "from classify.commands.predict import main\n"
        "status = main(sys.argv[1:])\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'skops', 'scipy', 'pandas', 'h5py'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "sys.exit(status)\n"
    )
    arguments = [str(tiny_model), str(tmp_path / "gone.wav"), "--csv"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True)
    assert done.returncode == 3, done.stderr.decode()
    assert done.stdout.decode().splitlines() == [
        "file,emotion,anger,sadness,out_of_domain,warnings"
    ]
    assert b"gone.wav" in done.stderr
