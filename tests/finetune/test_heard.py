"""Encoders that have heard what is tested: marked, and refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from tunings import PATTERN, PLAIN

from classify.commands.compare import main as compare
from classify.commands.evaluate import main as evaluate
from classify.commands.predict import main as predict
from classify.commands.probe import main as probe
from classify.commands.train import main as train
from data.cache import Cache
from data.errors import RecipeMismatch, UsageError
from extract.__main__ import main as extract
from extract.encoders import trained_on


def test_an_encoder_is_not_tested_on_its_training_recordings(of_one, tuned, tmp_path):
    rows = trained_on.read(tuned / "fold-0")
    table = Cache(of_one).utterances.set_index("id")
    assert table["heard"][rows["id"]].tolist() == rows["role"].tolist()
    assert (table["heard"].drop(rows["id"]) == "").all()
    out = ["--cache", str(of_one), "--out", str(tmp_path / "run"), "-q"]
    message = rf"the encoder has heard {len(rows)} of 48 tested utterances: it was fitted to \d+, "
    message += r"stopped by \d+, of the speakers corpus/s.*--allow-heard"
    for command in (evaluate, probe):
        with pytest.raises(UsageError, match=message):
            command([*out, "--head", "logreg"])
    with pytest.raises(UsageError, match=message):
        compare([*out, "--heads", "logreg,ridge"])
    with pytest.raises(UsageError, match=message):
        train(["--cache", str(of_one), "-o", str(tmp_path / "model"), "--head", "logreg", "-q"])
    assert train(["--cache", str(of_one), "-o", str(tmp_path / "model"), "--head", "logreg",
                  "--fit-only", "-q"]) == 0  # fmt: skip


def test_allowed_leaks_are_marked_everywhere(of_one, tuned, tmp_path, capsys):
    rows = trained_on.read(tuned / "fold-0")
    mark = f"LEAK: has heard {len(rows)} of 48 tested utterances"
    for name, command, more in (
        ("run", evaluate, ["--head", "logreg"]),
        ("probe", probe, ["--shuffles", "0"]),
        ("compare", compare, ["--heads", "logreg,ridge"]),
    ):
        out = tmp_path / name
        command(["--cache", str(of_one), "--out", str(out), "--allow-heard", "-q", *more])
        assert mark in capsys.readouterr().out
        assert mark in (out / "report.html").read_text()
        (result,) = [out / one for one in ("metrics.json", "probe.json", "compare.json")
                     if (out / one).exists()]  # fmt: skip
        assert json.loads(result.read_text())["heard"] == f"{len(rows)} of 48"
    checks = json.loads((tmp_path / "probe" / "probe.json").read_text())["audit"]["checks"]
    (of_encoder,) = [check for check in checks if check["check"] == "encoder"]
    assert of_encoder["status"] == "fail"
    assert f"has heard {len(rows)} of 48" in of_encoder["detail"]


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_copies_are_found_by_their_sound(tuned, recordings, tmp_path, rate, capsys):
    """Under other names and speakers, at another rate and level, in another container."""
    rows = trained_on.read(tuned / "fold-0").set_index("id")
    copies = tmp_path / "copies"
    for number, name in enumerate(sorted(rows.index)[:8]):
        samples, _ = soundfile.read(recordings / Path(name).relative_to("corpus"))
        file = copies / name.split("/")[1] / f"x{number % 4}_{number}.ogg"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, 0.5 * soxr.resample(samples, 16_000, rate), rate)
    out = tmp_path / "copies.h5"
    command = [str(copies), *PATTERN, "--model", str(tuned / "fold-0"), "-o", str(out), *PLAIN]
    assert extract(command) == 0
    assert set(Cache(out).utterances["heard"]) == {"similar"}


def test_other_recordings_of_training_speakers_are_marked(tuned, recordings, tmp_path, waveform):
    rows = trained_on.read(tuned / "fold-0")
    root = tmp_path / "corpus"
    known = sorted(set(rows["speaker"]))[0]
    for speaker in (known, "new"):
        for number, emotion in enumerate(("anger", "sadness")):
            file = root / emotion / f"{speaker}_{number}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, waveform(50 + number, 1.0), 16_000)
    out = tmp_path / "more.h5"
    command = [str(root), *PATTERN, "--model", str(tuned / "fold-0"), "-o", str(out), *PLAIN]
    assert extract(command) == 0
    table = Cache(out).utterances
    assert dict(zip(table["speaker"], table["heard"], strict=True)) == {known: "speaker", "new": ""}


def test_annotate_records_the_training_recordings_of_an_encoder(
    still, recordings, tmp_path, capsys
):
    model = tmp_path / "model"
    shutil.copytree(still, model)
    half = tmp_path / "half" / "corpus"
    for file in sorted(recordings.rglob("s[012]_*.wav")):
        place = half / file.relative_to(recordings)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    command = ["annotate", str(model), "--trained-on", str(half), *PATTERN, "-q"]
    assert extract(command) == 0
    assert "trained on 24 recordings" in capsys.readouterr().out
    assert extract(command) == 0  # the same again
    assert len(trained_on.read(model)) == 24
    out = tmp_path / "cache.h5"
    assert extract([str(recordings), *PATTERN, "--model", str(model), "-o", str(out), *PLAIN]) == 0
    table = Cache(out).utterances
    heard = {*table["speaker"][table["heard"] == "fitted"]}
    assert heard == {"s0", "s1", "s2"}
    with pytest.raises(UsageError, match="has heard 24 of 48"):
        evaluate(["--cache", str(out), "--out", str(tmp_path / "run"), "--head", "logreg", "-q"])
    with pytest.raises(UsageError, match=r"config.json is missing; of a model of the hub"):
        extract(["annotate", "facebook/wav2vec2-base", "--trained-on", str(half)])


def test_an_annotation_changes_the_recipe_and_is_part_of_it(still, recordings, tmp_path):
    model, out = tmp_path / "model", tmp_path / "cache.h5"
    shutil.copytree(still, model)
    command = [str(recordings), *PATTERN, "--model", str(model), "-o", str(out), *PLAIN]
    assert extract(command) == 0
    assert "trained_on" not in Cache(out).recipe
    assert extract(["annotate", str(model), "--trained-on", str(recordings), *PATTERN, "-q"]) == 0
    with pytest.raises(RecipeMismatch, match="trained_on: none"):
        extract(command)


def test_a_model_works_with_an_encoder_that_is_annotated_later(still, recordings, tmp_path, capsys):
    encoder, cache, model = tmp_path / "encoder", tmp_path / "cache.h5", tmp_path / "model"
    shutil.copytree(still, encoder)
    assert extract([str(recordings), *PATTERN, "--model", str(encoder), "-o", str(cache),
                    *PLAIN]) == 0  # fmt: skip
    assert train(["--cache", str(cache), "-o", str(model), "--head", "logreg", "--fit-only",
                  "-q"]) == 0  # fmt: skip
    assert extract(["annotate", str(encoder), "--trained-on", str(recordings), *PATTERN, "-q"]) == 0
    assert predict([str(model), str(next(recordings.rglob("*.wav"))), "-q"]) == 0


def test_an_encoder_trained_on_other_recordings_passes_the_audit(of_one, tuned, tmp_path):
    from classify.probing.audit import encoder

    table = Cache(of_one).utterances
    new = table[table["heard"] == ""]
    assert encoder(Cache(of_one).recipe, new).status == "ok"
    assert encoder({"control": True, "model": "untrained"}, new).status == "ok"
    assert encoder({"model": "facebook/wav2vec2-base"}, new).status == "note"
    emodb = new.assign(corpus="emodb")
    assert encoder({"model": "someone/hubert-emodb"}, emodb).status == "fail"
    assert "MSP-Podcast" in encoder({"model": "audeering/w2v2-ft-emotion-msp-dim"}, new).detail


def test_a_base_model_trained_on_a_test_part_is_refused(tuned, still, recordings, tmp_path):
    more = [*PATTERN, "--folds", "3", "--epochs", "1", "--fold", "0", "--device", "cpu", "-q"]
    out = tmp_path / "again"
    command = ["finetune", str(recordings), "-o", str(out), "--model", str(tuned / "all"), *more]
    with pytest.raises(
        UsageError, match=r"has heard 48 of 48 .*Begin with an encoder that was not"
    ):
        extract(command)
    other = tmp_path / "other" / "elsewhere"
    for number, emotion in enumerate(("anger", "sadness")):
        (other / emotion).mkdir(parents=True)
        noise = np.random.default_rng(number).standard_normal(16_000)
        soundfile.write(other / emotion / f"p{number}_0.wav", 0.1 * noise, 16_000)
    base = tmp_path / "base"
    shutil.copytree(still, base)
    assert extract(["annotate", str(base), "--trained-on", str(other), *PATTERN, "-q"]) == 0
    out = tmp_path / "new"
    command = ["finetune", str(recordings), "-o", str(out), "--model", str(base), *more]
    assert extract(command) == 0
    ids = set(trained_on.read(out / "fold-0")["id"])
    assert {"elsewhere/anger/p0_0.wav", "elsewhere/sadness/p1_0.wav"} < ids
    assert len(ids) > 20
