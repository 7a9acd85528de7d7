"""Small synthetic caches: classes and speakers are Gaussian offsets in every layer."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from classify.conditions import level
from data.cache import Cache
from data.cache.writer import write_cache

RECIPE = {
    "model": "untrained",
    "control": True,
    "layers": [0, 1, 2],
    "pooling": ["mean", "std"],
    "sampling_rate": 16000,
    "engine": "torch",
    "precision": "bfloat16",
}
LETTERS = "WLTN"  # Emo-DB's anger, boredom, sadness, neutral

# changes features (layer, place, dim) in place, given the utterance of each place; and columns
Alter = Callable[[np.ndarray, np.ndarray, dict[str, list]], None]
MakeCache = Callable[..., Path]


@pytest.fixture
def make_cache(tmp_path: Path) -> MakeCache:
    """Write a cache of `speakers` × `emotions` × `takes` utterances."""

    def make(
        name: str = "embeddings.h5",
        corpus: str = "emodb",
        speakers: int = 5,
        emotions: str = LETTERS,
        takes: int = 4,
        dim: int = 8,
        separation: float = 2.0,
        strengths: tuple[float, float, float] = (1.0, 1.0, 1.0),  # of the layers
        sequences: bool = False,
        columns: dict[str, list] | None = None,
        seed: int = 0,
        alter: Alter | None = None,
    ) -> Path:
        rng = np.random.default_rng(seed)
        rows = [
            (speaker, emotion, take)
            for speaker in range(speakers)
            for emotion in range(len(emotions))
            for take in range(takes)
        ]
        speaker, emotion, take = np.array(rows).T
        of_class = separation * rng.normal(size=(3, len(emotions), dim))
        of_class *= np.array(strengths)[:, None, None]
        of_speaker = rng.normal(size=(speakers, dim))
        count = len(rows)
        means = of_class[:, emotion] + of_speaker[speaker] + rng.normal(size=(3, count, dim))
        letters = np.array(list(emotions))[emotion]
        names = [f"{s:02}{e}{t}" for s, e, t in zip(speaker, letters, take, strict=True)]
        columns = {
            "id": [f"{corpus}/{name}" for name in names],
            "corpus": [corpus] * count,
            "path": [f"{name}.wav" for name in names],
            "speaker": [f"{s:02}" for s in speaker],
            "emotion": list(letters),
            "start": [np.nan] * count,
            "end": [np.nan] * count,
            "duration": [2.0] * count,
            "sha256": [f"{row:064x}" for row in range(count)],
        } | (columns or {})
        layers = {"mean": means, "std": np.abs(rng.normal(size=means.shape))}
        recipe, stored = dict(RECIPE), None
        if sequences:
            recipe |= {"sequence_layers": [1, 2], "sequence_rate": 5}
            steps = rng.integers(3, 9, count)
            rows_of_steps = np.repeat(np.arange(count), steps)
            noise = rng.normal(size=(2, steps.sum(), dim))
            stored = {
                "values": (means[1:, rows_of_steps] + noise).astype(np.float16),
                "offsets": np.concatenate([[0], np.cumsum(steps)]),
            }
        layers = {pooling: values.astype(np.float32) for pooling, values in layers.items()}
        if alter:
            alter(layers["mean"], np.arange(count), columns)
            alter(layers["std"], np.arange(count), {})
            if stored:
                alter(stored["values"], rows_of_steps, {})
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        write_cache(path, recipe, columns, layers, stored)
        return path

    return make


@pytest.fixture
def cache(make_cache: MakeCache) -> Path:
    """Five speakers, four classes, 80 utterances."""
    return make_cache()


@pytest.fixture
def make_degraded(make_cache: MakeCache) -> MakeCache:
    """Write a cache with copies of all utterances in conditions: name → deviation of the noise that
    is added to each layer; other options are those of `make_cache`."""

    def make(
        conditions: dict[str, Sequence[float]],
        logmel: bool = False,
        missing: Sequence[str] = (),  # ids
        alter: Callable[[dict[str, np.ndarray], list[str], list[str]], None] | None = None,
        **options: object,
    ) -> Path:
        path = make_cache(**options)
        random = np.random.default_rng(1)
        with Cache(path) as cache:
            table, recipe = cache.utterances, dict(cache.recipe)
            clean = {name: cache.embeddings(name) for name in cache.poolings}
        names = [name for name in ("", *conditions) for _ in range(len(table))]
        ids = [
            f"~{name}/{one}" if name else one
            for name, one in zip(names, [*table["id"]] * (1 + len(conditions)), strict=True)
        ]
        columns = {name: [*values] * (1 + len(conditions)) for name, values in table.items()}
        columns |= {
            "id": ids,
            "condition": names,
            "condition_digest": ["0f" if name else "" for name in names],
            "achieved": [level(name) if level(name) is not None else np.nan for name in names],
        }
        layers = {
            pooling: np.concatenate(
                [
                    values,
                    *(
                        values
                        + np.reshape(deviation, (-1, 1, 1)) * random.normal(size=values.shape)
                        for deviation in conditions.values()
                    ),
                ],
                axis=1,
            ).astype(np.float32)
            for pooling, values in clean.items()
        }
        baselines = None
        if logmel:
            recipe["baselines"] = {"logmel": {}}
            baselines = {"logmel": layers["mean"][1] + random.normal(size=layers["mean"][1].shape)}
        if alter:
            alter(layers, names, columns["speaker"])
        kept = [n for n, one in enumerate(ids) if one not in missing]
        write_cache(
            path,
            recipe,
            {name: [values[n] for n in kept] for name, values in columns.items()},
            {name: values[:, kept] for name, values in layers.items()},
            baselines=baselines and {name: values[kept] for name, values in baselines.items()},
        )
        return path

    return make


@pytest.fixture
def official(cache: Path, tmp_path: Path) -> Path:
    """One fold: speakers 00 to 02 are trained on, 03 is for development, 04 is tested."""
    with Cache(cache) as opened:
        table = opened.utterances
    part = table["speaker"].map({"03": "dev", "04": "test"}).fillna("train")
    table[["id"]].assign(fold="a", part=part).to_csv(tmp_path / "official.csv", index=False)
    return tmp_path / "official.csv"


@pytest.fixture
def leaking(cache: Path, tmp_path: Path) -> Path:
    """Three folds by the number of the utterance, so that every speaker is on both sides."""
    with Cache(cache) as opened:
        table = opened.utterances
    fold = [f"f{number % 3}" for number in range(len(table))]
    table[["id"]].assign(fold=fold).to_csv(tmp_path / "leaking.csv", index=False)
    return tmp_path / "leaking.csv"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, waveform) -> Path:
    """A saved head on the tiny untrained encoder, which listens to seeded noise: anger, sadness."""
    from classify.commands.train import main as train
    from extract.__main__ import main as extract

    home = tmp_path_factory.mktemp("tiny")
    for number in range(12):
        file = home / "corpus" / ("anger", "sadness")[number % 2] / f"s{number % 4}_{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, waveform(number, 0.5), 16_000)
    cache, model = home / "cache.h5", home / "model"
    corpus = [str(home / "corpus"), "--pattern", "{emotion}/{speaker}_{take}"]
    assert extract([*corpus, "--model", "untrained:tiny", "-o", str(cache), "-q"]) == 0
    assert train(["-o", str(model), "--head", "logreg", "--cache", str(cache)]) == 0
    return model


@pytest.fixture(scope="session")
def tiny_predictor(tiny_model: Path):
    """That head with its encoder, loaded once for all tests."""
    from classify.inference.model import Model
    from classify.inference.predictor import Predictor

    return Predictor.open(Model.load(tiny_model), device="cpu")
