"""Whole runs: folders, resumption, what is looked at, and what is refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import transformers
from tunings import command, same

from data.errors import EncoderError, HeadError, UsageError
from data.utterance import Utterance
from extract.__main__ import main as extract_main
from extract.encoders import trained_on
from extract.encoders.checkpoint import find
from extract.encoders.encoder import load
from extract.engines.torch import TorchEngine
from extract.recipe import Request
from finetune import FinetuneOptions, finetune
from finetune.run import Tuned

QUICK = FinetuneOptions(
    model="untrained:tiny", folds=3, epochs=2, batch_seconds=4, patience=1, mask_time=0.0
)


def run(utterances: list[Utterance], out: Path, **more: object) -> Tuned:
    names = {field.name for field in dataclasses.fields(FinetuneOptions)}
    chosen = {name: more.pop(name) for name in [*more] if name in names}
    return finetune(utterances, out, dataclasses.replace(QUICK, **chosen), device="cpu", **more)


@pytest.fixture(scope="session")
def tuned(utterances_of, tmp_path_factory) -> tuple[Path, Tuned]:
    out = tmp_path_factory.mktemp("tuned") / "run"
    return out, run(utterances_of, out, method="full", everything=True)


def test_a_run_leaves_plain_checkpoints_and_their_recordings(tuned, utterances_of):
    out, found = tuned
    assert not found.missing
    names = {path.name for path in out.iterdir()}
    assert names == {"finetune.json", "fold-0", "fold-1", "fold-2", "all"}
    everything = {one.id for one in utterances_of}
    for number, (_, test) in enumerate(found.folds.parts):
        folder = out / f"fold-{number}"
        transformers.AutoModel.from_pretrained(folder)
        assert transformers.AutoFeatureExtractor.from_pretrained(folder).do_normalize
        rows = trained_on.read(folder)
        tested = set(found.selection.utterances["id"].iloc[test])
        assert set(rows["id"]) == everything - tested
        speakers = set(found.selection.utterances["speaker"].iloc[test])
        assert not speakers & set(rows["speaker"])
        by_role = rows.groupby("role")["speaker"].agg(set)
        assert not by_role["fitted"] & by_role["stopped by"]
        digests = dict(zip(rows["id"], rows["sha256"], strict=True))
        assert all(len(value) == 64 for value in digests.values())
    assert set(trained_on.read(out / "all")["id"]) == everything
    stored = json.loads((out / "finetune.json").read_text())
    assert stored["scores"]["uar"] == found.outcome.scores.uar
    assert stored["about"]["base"]["model"] == "untrained:tiny"


def test_a_tuned_checkpoint_embeds_as_transformers_does(tuned, utterances_of, waveform):
    folder = tuned[0] / "fold-1"
    model = transformers.AutoModel.from_pretrained(folder).eval()
    samples = waveform(3, 1.2)
    normal = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    engine = TorchEngine(load(find(str(folder))), Request(engine="torch"))
    got = engine.embed([normal]).layers["mean"][:, 0]
    with torch.no_grad():
        states = model(torch.from_numpy(normal)[None], output_hidden_states=True).hidden_states
    expected = torch.cat(states).mean(1).numpy()
    error = np.linalg.norm(got - expected, axis=1)
    assert (error < 1e-5 * np.linalg.norm(expected, axis=1)).all()


def test_training_changes_what_the_method_names(tuned, utterances_of, tmp_path):
    base = load(find("untrained:tiny")).model.state_dict()

    def changed(folder: Path) -> set[str]:
        after = load(find(str(folder))).model.state_dict()
        return {key for key in base if not torch.equal(base[key], after[key])}

    whole = changed(tuned[0] / "fold-0")
    assert {key.split(".")[0] for key in whole} >= {"feature_extractor", "encoder"}
    for method, allowed in {
        "encoder": ("encoder", "feature_projection"),
        "top:1": ("encoder.layers.1.",),
        "lora": ("encoder.layers.0.feed_forward", "encoder.layers.1.feed_forward"),
    }.items():
        run(utterances_of, tmp_path / method, method=method, only=["fold-0"])
        found = changed(tmp_path / method / "fold-0")
        assert found
        assert all(key.startswith(allowed) for key in found), method


def test_the_labels_of_a_test_part_change_nothing(utterances_of, tmp_path):
    first = run(utterances_of, tmp_path / "first", only=["fold-0"])
    tested = set(first.selection.utterances["id"].iloc[first.folds.parts[0][1]])
    swap = {"anger": "sadness", "sadness": "anger"}
    changed = [
        dataclasses.replace(one, emotion=swap[one.emotion]) if one.id in tested else one
        for one in utterances_of
    ]
    # folds from a file, since labels stratify them
    fold = {id: n for n, (_, test) in enumerate(first.folds.parts) for id in
            first.selection.utterances["id"].iloc[test]}  # fmt: skip
    file = tmp_path / "folds.csv"
    pd.DataFrame({"id": fold.keys(), "fold": fold.values()}).to_csv(file, index=False)
    run(utterances_of, tmp_path / "true", only=["fold-0"], folds=str(file))
    run(changed, tmp_path / "swapped", only=["fold-0"], folds=str(file))
    assert same(tmp_path / "true" / "fold-0", tmp_path / "swapped" / "fold-0")
    assert same(tmp_path / "true" / "fold-0", tmp_path / "first" / "fold-0")


def test_a_second_run_trains_nothing(tuned, utterances_of, monkeypatch):
    out, found = tuned
    before = {
        path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != "finetune.json"
    }
    monkeypatch.setattr("finetune.training.train", lambda *_: pytest.fail("trained again"))
    again = run(utterances_of, out, method="full", everything=True)
    assert again.outcome.as_json() == found.outcome.as_json()
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_folder_with_another_run_is_refused(tuned, utterances_of, tmp_path):
    with pytest.raises(UsageError, match=r"(?s)another run is in there.*epochs: 2 .* 3"):
        run(utterances_of, tuned[0], method="full", epochs=3)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"other files, such as notes.txt"):
        run(utterances_of, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_loss_that_is_not_finite_stops_with_the_step(utterances_of, still, tmp_path):
    model = transformers.AutoModel.from_pretrained(still)
    with torch.no_grad():
        model.encoder.layers[1].final_layer_norm.weight.fill_(3e38)
    model.save_pretrained(tmp_path / "loud")
    with pytest.raises(HeadError, match=r"the loss is (nan|inf) at step 1: .*--learning-rate"):
        run(utterances_of, tmp_path / "out", model=str(tmp_path / "loud"), only=["fold-0"])


def test_one_speaker_is_refused(utterances_of, tmp_path):
    one = [each for each in utterances_of if each.speaker == "s0"]
    with pytest.raises(UsageError, match="are of one speaker"):
        run(one, tmp_path / "out")


def test_two_speakers_train_all_epochs(utterances_of, tmp_path, caplog):
    two = [each for each in utterances_of if each.speaker in ("s0", "s1")]
    found = run(two, tmp_path / "out", folds="speaker", only=["fold-0"])
    assert "too few speakers" in caplog.text
    assert len(found.results["fold-0"].history["train_loss"]) == QUICK.epochs


def test_bfloat16_on_the_device_that_there_is(utterances_of, tmp_path):
    two = [each for each in utterances_of if each.speaker in ("s0", "s1")]
    options = dataclasses.replace(QUICK, precision="bfloat16", folds="speaker", epochs=1)
    found = finetune(two, tmp_path / "out", options, only=["fold-0"], device="auto")
    assert np.isfinite(found.results["fold-0"].history["train_loss"]).all()


def test_recordings_that_cannot_be_read_are_left_out(recordings, tmp_path):
    root = tmp_path / "corpus"
    shutil.copytree(recordings, root)
    (root / "anger" / "s9_0.wav").write_text("not audio")
    soundfile.write(root / "sadness" / "s9_1.wav", np.zeros(100) + 0.1, 16_000)
    for method in ("full", "top:1"):
        out = tmp_path / method
        assert extract_main(command(root, out, "--method", method)) == 3
        ids = set(trained_on.read(out / "fold-1")["id"])
        assert ids
        assert not any("s9" in name for name in ids)


def test_a_changed_record_is_refused(tuned, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(tuned[0] / "fold-0", folder)
    rows = trained_on.read(folder)
    assert trained_on.digest(rows) == trained_on.digest(rows.sample(frac=1, random_state=0))
    import pyarrow.parquet as pq

    table = pq.read_table(folder / trained_on.FILE)
    pq.write_table(table.slice(1), folder / trained_on.FILE)
    with pytest.raises(EncoderError, match="do not match its checksum"):
        trained_on.read(folder)
    (folder / trained_on.FILE).write_bytes(b"PAR1 nothing")
    with pytest.raises(EncoderError, match="damaged"):
        trained_on.read(folder)
    assert trained_on.read(tmp_path) is None


def test_numbers_are_regressed(utterances_of, tmp_path):
    value = {"anger": 2.0, "sadness": -1.0}
    numbered = [
        dataclasses.replace(
            one, attributes={**one.attributes, "arousal": value[one.emotion] + n / 99}
        )
        for n, one in enumerate(utterances_of)
    ]
    found = run(numbered, tmp_path / "out", target="arousal,", method="top:2", epochs=12,
                patience=0, learning_rate=3e-3)  # fmt: skip
    assert found.outcome.targets["arousal"].values["ccc"] > 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "bottom:2"}, r"--method bottom:2: expected lora, top:N"),
        ({"method": "top:9"}, r"top:9: this encoder has 2 layers"),
        ({"method": "lora", "mask_time": 0.1}, r"--mask-time: .* frozen"),
        ({"folds": "speaker+sentence"}, r"--folds speaker\+sentence: .* ask for speaker"),
        ({"epochs": 0}, r"--epochs 0: expected 1"),
        ({"learning_rate": -1.0}, r"--learning-rate -1: expected above 0"),
        ({"pooling": "median"}, r"--pooling median: expected mean"),
        ({"only": ["fold-7"]}, r"no fold-7; there are fold-0"),
    ],
)
def test_wrong_options_are_refused(utterances_of, tmp_path, wrong, message):
    with pytest.raises(UsageError, match=message):
        run(utterances_of, tmp_path / "out", **wrong)


def test_given_folds_must_divide_the_speakers(utterances_of, tmp_path):
    table = pd.DataFrame({"id": [one.id for one in utterances_of],
                          "fold": [one.speaker for one in utterances_of]})  # fmt: skip
    file = tmp_path / "folds.csv"
    for changed, message in (
        (table.assign(fold=range(len(table))), r"test speakers .* also in training.*Fine-tuning"),
        (table.assign(part=["test", *["train"] * 47], fold="a"), "Fine-tuning needs folds that"),
    ):
        changed.to_csv(file, index=False)
        with pytest.raises(UsageError, match=message):
            run(utterances_of, tmp_path / "out", folds=str(file))
    assert not (tmp_path / "out" / "finetune.json").exists()


def test_a_plan_measures_some_steps(recordings, tmp_path, capsys):
    for method in ("top:1", "encoder", "full"):
        more = ["--method", method, "--dry-run"]
        assert extract_main(command(recordings, tmp_path / "out", *more)) == 0
        printed = capsys.readouterr().out
        assert "48 utterances" in printed
        assert "1 encoders × 3 epochs" in printed
        assert "about 0 min" in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["accelerate", "peft"])
def test_a_missing_package_is_named(recordings, tmp_path, monkeypatch, package):
    from finetune import command as module

    found = module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(UsageError, match=rf"needs {package}: pip install 'wav2emo\[finetune\]'"):
        extract_main(command(recordings, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_report_has_the_scores_of_all_folds(recordings, tmp_path, capsys):
    out = tmp_path / "out"
    names = ["--pattern", "{emotion}/{speaker}_{take}", "--model", "untrained:tiny", "-q"]
    more = ["--folds", "2", "--epochs", "2", "--device", "cpu"]
    assert extract_main(["finetune", str(recordings), "-o", str(out), *names, *more]) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert f"UAR          {metrics['uar']:.3f}" in printed
    assert "untrained control (tiny), fine-tuned (encoder)" in printed
    table = pd.read_csv(out / "predictions.csv")
    assert len(table) == 48
    assert (table["truth"] == table["prediction"]).mean() == pytest.approx(metrics["accuracy"])
    page = (out / "report.html").read_text()
    assert "Training curves" in page
    assert "random weights, so this is training from scratch" in page


def test_speakers_that_stop_may_lack_a_class(utterances_of, tmp_path, caplog):
    """Only two speakers have both emotions; one is tested, and the other has to be fitted."""
    few = [one for one in utterances_of if one.emotion == "anger" or one.speaker in ("s0", "s1")]
    run(few, tmp_path / "out", folds=2, only=["fold-0"])
    assert "have 1 of 2 classes" in caplog.text
    rows = trained_on.read(tmp_path / "out" / "fold-0")
    stopped = set(rows["speaker"][rows["role"] == "stopped by"])
    assert stopped
    assert not stopped & {"s0", "s1"}
