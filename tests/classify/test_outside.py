"""Recordings that lie outside of what a model was trained on."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr

from classify.commands.predict import main as predict
from classify.commands.train import main as train
from classify.inference.files.recordings import OutsideLog
from classify.inference.model import Model
from classify.models import ranges, schema
from classify.models.folder import DOMAIN
from data.cache import Cache
from data.cache.columns import QUALITY
from data.cache.writer import write_cache
from data.errors import ModelError
from extract.__main__ import main as extract
from extract.quality import Quality

TRAINED = {
    "bandwidth_hz": [7_200.0, 8_000.0],
    "level_db": [-30.0, -12.0],
    "snr_db": [20.0, 80.0],
    "clipped_share": [0.002, 0.006],
    "duration": [1.2, 5.0],
    "languages": ["de", "en"],
}
USUAL = Quality(7_600.0, -20.0, 30.0, 0.004)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        (
            {"bandwidth_hz": 3_400.0},
            {"bandwidth": "telephone band (up to 3.4 kHz); the model was trained on 7.2–8.0 kHz, "
                          "and has no telephone condition"},
        ),
        ({"bandwidth_hz": 5_500.0},
         {"bandwidth": "bandwidth 5.5 kHz; the model was trained on 7.2–8.0 kHz"}),
        ({"bandwidth_hz": 6_800.0}, {}),
        ({"level_db": -52.0},
         {"level": "level of speech -52 dB; the model was trained on -30 to -12 dB"}),
        ({"level_db": -7.0}, {}),
        ({"snr_db": 3.0}, {"signal-to-noise ratio":
            "signal-to-noise ratio about 3 dB; the model was trained on 20 to 80 dB"}),
        ({"snr_db": 95.0}, {}),
        ({"clipped_share": 0.12}, {"clipping":
            "clipped: 12.0% of the samples are near the peak; in training at most 0.6%"}),
        ({"seconds": 12.0}, {"duration": "12.0 s long; the model was trained on 1.2–5.0 s"}),
        ({"seconds": 0.5}, {"duration": "0.5 s long; the model was trained on 1.2–5.0 s"}),
        ({"seconds": None}, {}),
        ({"language": "fr"}, {"language": "language fr; the model was trained on de, en"}),
        ({"language": "DE"}, {}),
    ],
)  # fmt: skip
def test_warnings_name_what_was_measured_and_what_was_trained_on(changes, expected):
    given = {"seconds": 3.0, "language": ""} | changes
    measured = USUAL._replace(**{k: v for k, v in given.items() if k in QUALITY})
    assert ranges.warnings(TRAINED, measured, given["seconds"], given["language"]) == expected


def test_conditions_of_training_are_no_warning():
    """A model that was trained on telephone speech too does not warn of it."""
    trained = TRAINED | {"bandwidth_hz": [3_400.0, 8_000.0]}
    assert ranges.warnings(trained, USUAL._replace(bandwidth_hz=3_300.0), 3.0) == {}


def test_ranges_are_percentiles_of_the_training_utterances():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(200, 5)), columns=[*QUALITY, "duration"])
    found = ranges.of_training(table.assign(language=["de", "", "en", "de"] * 50))
    assert found["languages"] == ["de", "en"]
    for name in table:
        assert found[name] == pytest.approx(np.percentile(table[name], [1, 99]))
    assert ranges.of_training(table.drop(columns="snr_db")) is None
    table.loc[3, "snr_db"] = np.nan  # a cache that an older version began
    assert ranges.of_training(table) is None


def test_many_recordings_are_summarised(caplog):
    outside = OutsideLog()
    for number in range(8):
        outside.add(f"{number}.wav", [{"bandwidth": "telephone band"}])
        outside.add("fine.wav", [{}])
    outside.add("long.wav", [{"level": "quiet"}, {}, {}])  # one window of three
    outside.add("silent.wav", [])
    outside.summarise()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:5] == [f"{number}.wav: telephone band" for number in range(5)]
    assert lines[5:] == [
        "8 of 18 recordings lie outside of what the model was trained on: bandwidth 8 (column "
        "warnings of --csv)"
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory, waveform):
    """A model of 24 recordings of 4 speakers in German, and its cache."""
    home = tmp_path_factory.mktemp("outside")
    rows = ["file,emotion,speaker,language"]
    for number in range(24):
        soundfile.write(home / f"{number}.wav", waveform(number, 0.6), 16_000)
        rows.append(f"{number}.wav,{('anger', 'sadness')[number % 2]},s{number // 6},de")
    (home / "table.csv").write_text("\n".join(rows) + "\n")
    command = [str(home / "table.csv"), "--model", "untrained:tiny", "-o", str(home / "c.h5"), "-q"]
    assert extract(command) == 0
    shared = ["--head", "logreg", "--cache", str(home / "c.h5"), "-q"]
    assert train(["-o", str(home / "model"), *shared]) == 0
    return home


def test_predictions_show_score_and_warnings(home, tmp_path, waveform, capsys):
    telephone = soxr.resample(soxr.resample(waveform(3, 0.6), 16_000, 8_000), 8_000, 16_000)
    soundfile.write(tmp_path / "telephone.wav", telephone, 16_000)
    soundfile.write(tmp_path / "usual.wav", waveform(30, 0.6), 16_000)
    given = [str(home / "model"), str(tmp_path)]
    assert predict([*given, "--csv"]) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert list(rows[0]) == ["file", "emotion", "anger", "sadness", "out_of_domain", "warnings"]
    assert re.match(r"telephone band \(up to (3\.9|4\.0) kHz\); .* condition", rows[0]["warnings"])
    assert rows[1]["warnings"] == "" or rows[1]["warnings"].startswith("out of domain")
    scores = [float(row["out_of_domain"]) for row in rows]
    assert min(scores) > 0
    assert f"{tmp_path / 'telephone.wav'}: {rows[0]['warnings']}\n" in printed.err

    assert predict([*given, "--json", "-q", "--language", "fr"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0]["out_of_domain"] == scores[0]
    assert "language fr; the model was trained on de" in found[0]["warnings"]
    assert predict([*given, "--window", "0.3", "--csv", "-q"]) == 0
    windows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert "telephone band" in windows[0]["warnings"]
    assert not any(" s long" in row["warnings"] for row in windows)


def test_scores_are_those_of_the_cache(home):
    model = Model.load(home / "model")
    with Cache(home / "c.h5") as cache:
        X = model.features.of_cache(cache, np.arange(len(cache)))
        path = cache.utterances["path"]
    expected = model.out_of_domain(X)
    answers = model.predict([home / name for name in path])
    np.testing.assert_allclose([a.out_of_domain for a in answers], expected, rtol=1e-3)
    assert not any(answer.warnings.keys() - {"out of domain"} for answer in answers)


def test_caches_of_earlier_versions_give_models_without_ranges(home, tmp_path, capsys):
    with Cache(home / "c.h5") as cache:
        columns = {k: v.tolist() for k, v in cache.utterances.items() if k not in QUALITY}
        layers = {name: cache.embeddings(name) for name in cache.poolings}
        baselines = {name: cache.baseline(name) for name in cache.baselines}
        write_cache(tmp_path / "c.h5", cache.recipe, columns, layers, None, {}, baselines)
    shared = ["--head", "logreg", "--cache", str(tmp_path / "c.h5"), "-q"]
    assert train(["-o", str(tmp_path / "model"), *shared, "--fit-only"]) == 0
    model = Model.load(tmp_path / "model")
    assert model.card["ranges"] is None
    assert model.domain is None
    (answer,) = model.predict([np.full(8_000, 0.5, np.float32)])
    assert answer.outside == {}


def test_models_of_earlier_versions_load_and_altered_ones_do_not(home, tmp_path):
    folder = shutil.copytree(home / "model", tmp_path / "model")
    card = json.loads((folder / "model.json").read_text())
    older = {name: value for name, value in card.items() if name not in ("ranges", "domain")}
    (folder / "model.json").write_text(json.dumps(older | {"sha256": schema.seal(older)}))
    model = Model.load(folder)
    assert model.domain is None
    (answer,) = model.predict([np.random.default_rng(0).normal(size=16_000)])
    assert answer.warnings == {}

    (folder / "model.json").write_text(json.dumps(card))
    assert Model.load(folder).domain is not None
    content = (folder / DOMAIN).read_bytes()
    for damaged in (content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
        (folder / DOMAIN).write_bytes(damaged)
        with pytest.raises(ModelError, match=r"domain\.safetensors: altered since it was trained"):
            Model.load(folder)
    (folder / DOMAIN).unlink()
    with pytest.raises(ModelError, match=r"domain\.safetensors is missing"):
        Model.load(folder)
