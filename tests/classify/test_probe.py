"""The probe: results, no leaks, folder, command line."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.commands.probe import command_line, main
from classify.probing.options import ProbeOptions
from classify.probing.removal import without_speaker_means, without_speaker_subspace
from classify.probing.study import probe
from classify.report.folder import as_json
from data import Cache
from data.cache.writer import write_cache
from data.errors import CacheError, UsageError

SPEAKERS, SENTENCES, EMOTIONS = 8, 3, "WTN"
LAYERS, DIM = 3, 12

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a cache whose layers `features` makes of (emotion, speaker, random)."""

    def make(features, name: str = "study.h5", rows: slice = slice(None), takes: int = 2, **recipe):
        grid = np.indices((SPEAKERS, SENTENCES, len(EMOTIONS), takes)).reshape(4, -1)
        speaker, sentence, emotion, _ = grid
        # write_cache sorts by id, so ids are in the order of the rows
        ids = [f"emodb/{n:03}" for n in range(len(speaker))]
        X = features(emotion, speaker, np.random.default_rng(0)).astype(np.float32)
        columns = {
            "id": ids,
            "corpus": ["emodb"] * len(ids),
            "path": ids,
            "speaker": [f"{s:02}" for s in speaker],
            "emotion": [EMOTIONS[e] for e in emotion],
            "sentence": [f"a{s}" for s in sentence],
            "sex": [("female", "male")[s % 2] for s in speaker],
            "start": [np.nan] * len(ids),
            "end": [np.nan] * len(ids),
            "duration": np.linspace(1, 3, len(ids)).tolist(),
            "sha256": [f"{n:064x}" for n in range(len(ids))],
        }
        recipe = {
            "model": "untrained",
            "control": True,
            "layers": list(range(len(X))),
            "pooling": ["mean"],
            "sampling_rate": 16000,
        } | recipe
        path = tmp_path / name
        chosen = {column: values[rows] for column, values in columns.items()}
        write_cache(path, recipe, chosen, {"mean": X[:, rows]})
        return path

    return make


def noise(emotion, speaker, random, layers: int = LAYERS):
    return random.normal(size=(layers, len(emotion), DIM))


def planted(emotion, speaker, random):
    """Layer 1 contains the emotion, layer 2 the speaker."""
    X = noise(emotion, speaker, random)
    X[1] += 3 * np.eye(DIM)[emotion]
    X[2] += 6 * np.eye(DIM)[speaker]
    return X


def run(cache: Path, **options):
    return probe(ProbeOptions(cache=cache, **options)).metrics


def test_a_planted_layer_is_found_by_every_choice(write: Write) -> None:
    found = run(write(planted), targets=("emotion", "speaker"), shuffles=5)
    emotion, speaker = found["targets"]["emotion"], found["targets"]["speaker"]
    assert emotion["best"]["layer"] == 1
    assert emotion["best"]["equals"] == [1]
    assert {fold["layer"] for fold in emotion["selection"]["folds"]} == {1}
    assert emotion["selection"]["optimism"] == pytest.approx(0)
    assert emotion["selection"]["uar"] > 0.8
    assert speaker["best"]["layer"] == 2
    assert speaker["layers"][0]["uar"] < 0.4
    for row in emotion["layers"]:
        assert row["ci95"][0] <= row["uar"] <= row["ci95"][1]


def test_a_curve_of_one_C_is_scikit_learns(write: Write) -> None:
    cache = write(planted)
    rows = run(cache, targets=("emotion",), quick=True, C=0.05)["targets"]["emotion"]["layers"]
    with Cache(cache) as opened:
        table = opened.utterances
        for row in rows:
            head = make_pipeline(
                StandardScaler(), LogisticRegression(C=0.05, tol=1e-8, max_iter=1000)
            )
            prediction = cross_val_predict(
                head,
                opened.layer(row["layer"]),
                table["emotion"],
                groups=table["speaker"],
                cv=LeaveOneGroupOut(),
            )
            expected = balanced_accuracy_score(table["emotion"], prediction)
            assert row["uar"] == pytest.approx(expected, abs=0.02)  # where classes nearly tie


def test_nothing_leaks_from_the_speaker(write: Write) -> None:
    """Speakers have favourite emotions, and the features tell the speaker alone."""

    def labels_of(emotion, speaker, random):
        return noise(emotion, speaker, random) + 8 * np.eye(DIM)[speaker]

    found = run(write(labels_of), targets=("emotion",), shuffles=0)["targets"]["emotion"]
    assert max(row["uar"] for row in found["layers"]) < 0.5  # of three classes
    assert found["selection"]["uar"] < 0.5


def test_the_best_of_many_useless_layers_is_optimistic(write: Write) -> None:
    """Twenty layers of noise: the best is above chance, the nested choice is not."""
    found = []
    for seed in range(4):

        def useless(emotion, speaker, _, seed=seed):
            return noise(emotion, speaker, np.random.default_rng(seed), layers=20)

        cache = write(useless, name=f"{seed}.h5", takes=1)
        of = run(cache, targets=("emotion",), C=0.1, shuffles=0)["targets"]["emotion"]
        found.append([of["best"]["uar"], of["selection"]["uar"], of["selection"]["optimism"]])
        assert len(of["best"]["equals"]) > 15
    best, nested, optimism = np.mean(found, 0)
    assert best > 0.42
    assert nested < 0.4
    assert optimism == pytest.approx(best - nested)


def test_shuffled_labels_give_chance(write: Write) -> None:
    found = run(write(planted), targets=("emotion", "sex"), C=0.1, shuffles=40)
    shuffled = found["targets"]["emotion"]["controls"]["shuffled"]
    assert shuffled["scheme"] == "within speakers"
    for row, layer in zip(shuffled["layers"], found["targets"]["emotion"]["layers"], strict=True):
        assert abs(row["uar"] - 1 / 3) < 0.05
        assert row["selectivity"] == pytest.approx(layer["uar"] - row["uar"])
    assert shuffled["layers"][1]["p"] == pytest.approx(1 / 41)
    assert shuffled["layers"][0]["p"] > 0.05
    between = found["targets"]["sex"]["controls"]["shuffled"]["scheme"]
    assert between == "between speakers, each of which keeps one class"


def test_the_majority_is_that_of_each_training_part(write: Write) -> None:
    emotion = run(write(planted), targets=("emotion",), quick=True)["targets"]["emotion"]
    assert emotion["majority"]["uar"] == pytest.approx(1 / 3)
    assert emotion["chance"] == pytest.approx(1 / 3)


def test_removing_the_speaker_keeps_the_emotion(write: Write) -> None:
    cache = write(planted)
    found = run(cache, targets=("emotion",), remove="speaker", shuffles=0)["targets"]["emotion"]
    assert found["removed"]["transductive"]
    assert found["removed"]["layers"][1]["uar"] > 0.8
    found = run(cache, targets=("emotion",), remove="speaker-subspace", shuffles=0)
    removed = found["targets"]["emotion"]["removed"]
    assert not removed["transductive"]
    assert removed["layers"][1]["uar"] > 0.8


def test_removals_take_out_the_speaker() -> None:
    rng = np.random.default_rng(0)
    speaker, y = np.repeat(np.arange(8), 20), np.tile(np.arange(4), 40)
    X = (rng.normal(size=(160, 30)) + 5 * rng.normal(size=(8, 30))[speaker]).astype(np.float32)
    centred = without_speaker_means(X, speaker)
    for name in range(8):
        np.testing.assert_allclose(centred[speaker == name].mean(0), 0, atol=1e-5)
    train = speaker < 6
    apart = without_speaker_subspace(y, speaker)(X, train)
    means = np.array([apart[speaker == name].mean(0) for name in range(8)])
    assert np.ptp(means[:6], axis=0).max() < 1e-3
    other = X.copy()
    other[~train] += 100  # the subspace is learned from the training part alone
    np.testing.assert_allclose(
        without_speaker_subspace(y, speaker)(other, train)[train], apart[train], atol=1e-4
    )


def test_the_same_options_give_the_same_bytes(write: Write) -> None:
    cache = write(planted)
    one, other = (
        as_json(run(cache, targets=("emotion", "sex"), C=0.1, shuffles=3, mdl=True))
        for _ in range(2)
    )
    assert one == other


def test_the_folder_and_the_table(write: Write, tmp_path: Path, capsys) -> None:
    cache, out = write(planted), tmp_path / "run"
    command = ["--cache", str(cache), "--mdl", "--remove", "speaker", "--shuffles", "3"]
    command += ["--C", "0.1"]
    assert main([*command, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for prediction in (
        "emotion",
        "speaker",
        "sex",
        "sentence",
        "nested choice",
        "optimism",
        "shuffled",
    ):
        assert prediction in printed
    assert "audit        FAILED" in printed
    assert "sentence overlap" in printed
    assert str(tmp_path) not in (out / "probe.json").read_text()
    metrics = json.loads((out / "probe.json").read_text())
    assert list(metrics["targets"]) == ["emotion", "speaker", "sex", "sentence"]
    assert metrics["skipped"] == {"intensity": "unknown", "corpus": "only emodb"}
    for target in metrics["targets"].values():
        assert [row["layer"] for row in target["layers"]] == [0, 1, 2]
        assert {"uar", "accuracy", "f1_macro", "ci95"} <= target["layers"][0].keys()
        assert len(target["description_length"]) == LAYERS
    lengths = metrics["targets"]["emotion"]["description_length"]
    assert min(lengths, key=lambda row: row["bits"])["layer"] == 1
    with open(out / "predictions.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["target"] == "emotion"]
    truth, prediction = ([row[column] for row in rows] for column in ("truth", "layer_1"))
    expected = metrics["targets"]["emotion"]["layers"][1]["uar"]
    assert balanced_accuracy_score(truth, prediction) == pytest.approx(expected)
    assert json.loads((out / "run.json").read_text())["format"] == "wav2emo run"
    assert main(["--cache", str(cache), "--quick", "--json", "-q", "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["quick"] is True


def test_strict_fails_with_the_audit(write: Write, tmp_path: Path, capsys) -> None:
    quick = ["--cache", str(write(planted)), "--targets", "emotion", "--quick", "-q"]
    out = ["--out", str(tmp_path / "run")]
    assert main([*quick, *out, "--strict"]) == 1
    assert "the audit failed" in capsys.readouterr().err
    assert (tmp_path / "run" / "probe.json").exists()
    assert main([*quick, *out, "--strict", "--folds", "speaker+sentence"]) == 0
    assert "audit        passed" in capsys.readouterr().out


def test_a_control_is_probed_on_the_utterances_in_common(write: Write, caplog) -> None:
    cache = write(planted)
    half = write(noise, name="half.h5", rows=slice(0, None, 2))
    with caplog.at_level("WARNING", "wav2emo"):
        found = run(cache, targets=("emotion",), control=half, shuffles=0)
    assert "72 of the 144 utterances" in caplog.text
    emotion = found["targets"]["emotion"]
    assert emotion["utterances"] == emotion["controls"]["control"]["utterances"] == 72
    assert emotion["best"]["uar"] > emotion["controls"]["control"]["best"]["uar"] + 0.2
    apart = emotion["controls"]["control"]["difference"]
    assert 0.2 < apart["ci95"][0] < apart["uar"] < apart["ci95"][1]
    assert apart["p"] == pytest.approx(2 / 2**SPEAKERS)


def test_a_control_of_other_utterances_is_an_error(write: Write, make_cache) -> None:
    other = make_cache("other.h5", corpus="ravdess")
    with pytest.raises(UsageError, match="none of its 80 utterances is among the 144 to probe"):
        run(write(planted), control=other)


def test_nan_in_a_foreign_cache_is_named(write: Write) -> None:
    def broken(emotion, speaker, random):
        X = planted(emotion, speaker, random)
        X[1, 5:7] = np.nan
        return X

    with pytest.raises(CacheError, match=r"layer 1 has NaN or infinity in 2 utterances.*emodb/005"):
        run(write(broken), targets=("emotion",), quick=True)


def test_constant_columns_are_noted_and_do_no_harm(write: Write) -> None:
    def constant(emotion, speaker, random):
        X = planted(emotion, speaker, random)
        X[:, :, 5] = 7
        X[0] = 1
        return X

    found = run(write(constant), targets=("emotion",), quick=True)
    assert found["targets"]["emotion"]["best"]["layer"] == 1
    assert found["targets"]["emotion"]["layers"][0]["uar"] == pytest.approx(1 / 3)
    notes = [c for c in found["audit"]["checks"] if c["check"] == "constant features"]
    assert notes[0]["detail"] == "in 3 of 3 layers, most in layer 0: 12"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "svm"}, "no probe 'svm': choose from logreg, ridge, lda"),
        ({"remove": "sex"}, "--remove sex: expected speaker or speaker-subspace"),
        ({"C": 0.0}, "--C 0: expected 1e-08 to 1e.08"),
        ({"head": "ridge", "mdl": True}, "--mdl needs probabilities and ridge has none"),
        ({"quick": True, "mdl": True}, "--quick gives the curves alone: leave out --mdl"),
        ({"poolings": ("max",)}, "--pooling max: .* holds mean"),
        ({"corpora": ("tess",)}, "--corpus tess: .* holds emodb"),
        ({"targets": ("mood",)}, "--targets mood: .* has the columns"),
    ],
)
def test_impossible_options_are_refused(write: Write, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(write(planted), **options)


def test_one_class_and_one_speaker_are_refused(make_cache) -> None:
    with pytest.raises(UsageError, match="of anger; expected two classes or more"):
        run(make_cache(emotions="W"))
    with pytest.raises(UsageError, match="of one speaker, emodb/00"):
        run(make_cache(speakers=1))


def test_few_speakers_and_rare_classes_are_probed(make_cache) -> None:
    """Two of each sex: a training part has one of each, and labels dealt to speakers may leave one
    class in it. A voice has one utterance of each sentence."""
    of_speaker = 4
    columns = {
        "sex": [("female", "male")[n // of_speaker % 2] for n in range(16)],
        "sentence": [f"s{n % 2}" for n in range(16)],
    }
    cache = make_cache(speakers=4, emotions="WT", takes=2, columns=columns)
    found = run(cache, mdl=True, remove="speaker-subspace", shuffles=5)
    assert list(found["targets"]) == ["emotion", "speaker", "sex", "sentence"]
    assert found["targets"]["sex"]["C"] == "3 folds of utterances"
    assert found["targets"]["sex"]["best"]["smallest_p"] == pytest.approx(2 / 2**4)


def test_the_command_line_can_be_typed_again() -> None:
    options = ProbeOptions(
        cache=Path("/somewhere/my cache.h5"),
        corpora=("emodb",),
        targets=("emotion", "sex"),
        C=0.1,
        poolings=("mean",),
        quick=True,
    )
    assert command_line(options) == (
        "python -m classify probe --cache 'my cache.h5' --corpus emodb --targets emotion,sex "
        "--C 0.1 --pooling mean --quick"
    )


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from classify.commands.probe import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'sklearn', 'torch', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=os.environ)
    assert done.returncode == 0, done.stderr.decode()


def test_the_quick_probe_imports_no_more_than_it_needs(write: Write, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from classify.commands.probe import main\n"
        "main(sys.argv[1:])\n"
        "heavy = {'torch', 'transformers', 'skops', 'soundfile', 'sklearn.model_selection',\n"
        "         'sklearn.linear_model', 'classify.evaluation.run', 'classify.compare.result'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    arguments = ["--cache", write(planted), "--quick", "--out", tmp_path / "run"]
    done = subprocess.run([sys.executable, "-c", script, *map(str, arguments)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_unknown_speakers_cannot_be_removed(make_cache) -> None:
    cache = make_cache(columns={"speaker": [""] * 80})
    with pytest.raises(UsageError, match=r"--remove: the speakers of some .* 80 of 80"):
        run(cache, targets=("emotion",), remove="speaker", shuffles=0)
