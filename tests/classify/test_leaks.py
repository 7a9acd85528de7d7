"""Nothing of a test row reaches a fit: neither its features nor its label.

Half of the utterances of one speaker are replaced. Predictions for the other half, by heads that
were trained on other speakers, must be identical.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classify.compare.options import CompareOptions
from classify.compare.study import compare
from classify.dataset import load, select, sound
from classify.evaluation.crossvalidate import cross_validate
from classify.evaluation.folds import split
from classify.evaluation.run import evaluate, new_head
from classify.heads import HEADS
from classify.heads.linear.batched import Problems, log_probabilities
from classify.models.selection import by_layer_and_C, by_tuning
from classify.options import Options
from classify.probing.curves import ChoiceOfC, curve
from classify.probing.options import ProbeOptions
from classify.probing.removal import without_speaker_subspace
from classify.probing.study import probe
from classify.probing.targets import task
from classify.training_options import TrainingOptions

REPLACED, KEPT = np.arange(16, 32, 2), np.arange(17, 32, 2)  # utterances of speaker 01
NEXT = dict(zip("WLTN", "LTNW", strict=True))  # emotion → another
BRIEF = TrainingOptions(epochs=4)
NEURAL = [name for name, head in HEADS.items() if head.neural]
FITTED = [name for name, head in HEADS.items() if not head.finetuned]

Values = np.ndarray


Pair = tuple[Path, Path]


def changed(features: Values, utterance: Values) -> Values:
    """Features (layer, place, dim), by turns noise, constant, and far louder."""
    loud = 1e6 if features.dtype == np.float32 else 1e3  # sequences are float16
    noise = np.random.default_rng(0).normal(5, 3, features.shape)
    turns = [turn[:, None] for turn in (utterance % 6 < 2, utterance % 6 < 4)]
    return np.where(turns[0], noise, np.where(turns[1], 7.0, features * loud))


@pytest.fixture
def pairs(make_cache) -> Callable[..., Pair]:
    """Makes a cache, and the same with some rows replaced."""

    def make(rows: Values = REPLACED, labels: bool = True, **about) -> Pair:
        about = {"separation": 0.7, "columns": {}} | about

        def alter(features: Values, utterance: Values, columns: dict[str, list]) -> None:
            places = np.isin(utterance, rows)
            features[:, places] = changed(features[:, places], utterance[places])
            for row in rows if labels and columns else ():
                columns["emotion"][row] = NEXT[columns["emotion"][row]]
                if "arousal" in columns:
                    columns["arousal"][row] = -1000.0

        first = make_cache("a.h5", **about)
        about["columns"] = {name: list(values) for name, values in about["columns"].items()}
        return first, make_cache("b.h5", alter=alter, **about)

    return make


def require_same(pair: Pair, predicted: Callable[[Path], Values], rows: Values = KEPT) -> None:
    """Predictions (…, utterance, number) of `rows` are equal for both caches; others differ."""
    before, after = map(predicted, pair)
    np.testing.assert_array_equal(before[..., rows, :], after[..., rows, :])
    assert (before != after).any()


def probabilities(**options) -> Callable[[Path], Values]:
    """(seed, utterance, class)."""
    return lambda cache: evaluate(Options(cache=cache, **options), 1).result.by_seed


@pytest.mark.parametrize("head", FITTED)
def test_no_head_sees_a_test_row(pairs, head: str) -> None:
    training = BRIEF if head in NEURAL else TrainingOptions()
    require_same(pairs(), probabilities(head=head, training=training))


@pytest.mark.parametrize("head", [name for name, head in HEADS.items() if head.sequences])
def test_no_head_sees_a_moment_of_a_test_row(pairs, head: str) -> None:
    require_same(pairs(sequences=True), probabilities(head=head, training=BRIEF))


@pytest.mark.parametrize(
    "options",
    [
        {"head": "logreg", "balance": True},
        {"head": "mlp", "balance": True, "training": BRIEF},
        {"head": "logreg", "tune": 3},
        {"head": "knn", "tune": 3},
        {"head": "mlp", "tune": 2, "training": BRIEF, "seeds": 2},
        {"head": "mlp", "normalize": "none", "training": BRIEF},
        {"head": "gru", "training": TrainingOptions(epochs=4, patience=1, mixup=0.2)},
        {"head": "logreg", "folds": "speaker+sentence"},
        {"head": "logreg", "C": 1e3},
    ],
    ids=lambda options: "-".join(map(str, options.values())) if "training" not in options else None,
)
def test_no_option_lets_a_test_row_in(pairs, options: dict) -> None:
    sentences = [f"s{row % 4}" for row in range(80)]
    require_same(pairs(columns={"sentence": sentences}), probabilities(**options))


def test_normalising_by_speaker_stays_within_the_speaker(pairs) -> None:
    """It is transductive, so a speaker's rows belong together; other speakers' do not."""
    pair = pairs(np.arange(16, 32), labels=False)
    folds = split(load(Options(cache=pair[0])), 2, 0)
    both = next(test for _, test in folds.parts if 16 in test)
    assert len(both) > 16
    predicted = probabilities(head="mlp", normalize="speaker", folds=2, training=BRIEF)
    require_same(pair, predicted, np.setdiff1d(both, np.arange(16, 32)))


def test_no_choice_of_a_trained_head_sees_a_test_row(pairs) -> None:
    options = Options(head="logreg")

    def chosen(cache: Path) -> Values:
        with sound(cache) as opened:
            selection = select(opened.utterances, options)
            folds = split(selection, "auto", 0)
            choice, predicted = by_layer_and_C(options, selection, folds, opened)
        choices.append(choice.in_folds[1])
        return predicted

    choices: list[dict] = []
    require_same(pairs(), chosen)
    assert choices[0] == choices[1]


def test_no_tuning_of_a_trained_head_sees_a_test_row(pairs) -> None:
    def tuned(cache: Path) -> Values:
        data = load(options := Options(cache=cache, head="mlp", tune=2, training=BRIEF))
        choice, predicted = by_tuning(options, data, split(data, "auto", 0), 1)
        choices.append(choice.in_folds[1])
        return predicted

    choices: list[dict] = []
    require_same(pairs(), tuned)
    assert choices[0] == choices[1]


@pytest.mark.parametrize("head", ["logreg", "ridge", "lda"])
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "whole"])
def test_no_probe_sees_a_test_row(pairs, head: str, quick: bool) -> None:
    def predicted(cache: Path) -> Values:
        options = ProbeOptions(cache=cache, targets=("emotion",), head=head, quick=quick)
        result = probe(replace(options, shuffles=0)).targets["emotion"]
        nested = result.nested_predictions
        rows = result.predictions if nested is None else np.vstack([result.predictions, nested])
        return rows[..., None]

    require_same(pairs(), predicted)


def test_no_subspace_is_taken_out_by_a_test_row(pairs) -> None:
    def predicted(cache: Path) -> Values:
        options = ProbeOptions(cache=cache)
        with sound(cache) as opened:
            table = opened.utterances
            X = opened.layer(1, "mean")
        emotion = task(table, "emotion", options)
        remove = without_speaker_subspace(emotion.y, emotion.selection.speakers)
        each = enumerate(emotion.folds.train)
        read = [(slice(fold, fold + 1), remove(X, train)) for fold, train in each]
        found = curve(emotion, [(1, read)], "logreg", ChoiceOfC.fixed(0.01), "mean")
        return found.predictions[..., None]

    require_same(pairs(), predicted)


def test_no_comparison_sees_a_test_row(pairs) -> None:
    def predicted(cache: Path) -> Values:
        heads = ("logreg", "lda", "mlp")
        shared = Options(cache=cache, head="mlp", training=BRIEF)
        results = compare(CompareOptions(heads, shared)).results
        return np.stack([each.predictions[0] for each in results])[..., None]

    require_same(pairs(), predicted)


@pytest.mark.parametrize("head", [name for name, head in HEADS.items() if head.regressor])
def test_no_regressor_sees_a_test_row(pairs, head: str) -> None:
    training = BRIEF if head in NEURAL else TrainingOptions()
    columns = {"arousal": np.random.default_rng(1).normal(size=80).tolist()}

    def predicted(cache: Path) -> Values:
        return evaluate(
            Options(cache=cache, head=head, target="arousal", training=training)
        ).result.output

    require_same(pairs(columns=columns), predicted)


@pytest.mark.parametrize("head", ["logreg", "ridge", "lda"])
@pytest.mark.parametrize("own_C", [False, True])
@pytest.mark.parametrize("dim", [5, 90])
def test_no_batch_lets_a_test_row_in(head: str, own_C: bool, dim: int) -> None:
    """Nor how many others are fitted, which of them are done first, and by which C."""
    random = np.random.default_rng(0)
    speaker, y = np.arange(160) % 10, random.integers(0, 3, 160)
    X = (random.normal(size=(160, dim)) + np.eye(dim)[y]).astype(np.float32)
    train = speaker != np.arange(10)[:, None]
    C = 10.0 ** np.arange(-3, 2) if own_C else np.array([0.1])
    masks = train.repeat(len(C), 0)
    for fold in (0, 4, 9):
        kept, gone = np.flatnonzero(speaker == fold).reshape(2, -1)
        spoiled, labels = X.copy(), y.copy()
        spoiled[gone] *= 10.0 ** random.integers(-3, 6)
        labels[gone] = (labels[gone] + 1) % 3
        found = []
        for features, classes, others in ((X, y, C), (spoiled, labels, C)):
            strengths = np.tile(others, len(train)) if own_C else float(C[0])
            found.append(log_probabilities(head, features, Problems(masks, classes, 3, strengths)))
        rows = slice(fold * len(C), (fold + 1) * len(C))
        np.testing.assert_array_equal(found[0][rows][:, kept], found[1][rows][:, kept])


DRAWS, DIM = 5, 24
QUICK = {"forest": {"n_estimators": 20}, "boosting": {"max_iter": 10}}


def random_labels(data, seed: int):
    """The same with labels exchanged within each speaker."""
    random, y = np.random.default_rng(seed), data.y.copy()
    for speaker in np.unique(data.speakers):
        rows = np.flatnonzero(data.speakers == speaker)
        y[rows] = random.permutation(y[rows])
    return replace(data, y=y)


def shares_right(cache: Path, head: str, mark: bool, parts: Callable | None = None) -> Values:
    """(draw,) accuracy, which is the UAR, on random labels; optionally with features that tell the
    label of a speaker's utterances, in columns of that speaker's own."""
    training = TrainingOptions(epochs=10) if head in NEURAL else TrainingOptions()
    data = load(options := Options(cache=cache, head=head, poolings=("mean",), training=training))
    folds = split(data, "auto", 0)
    if parts:
        folds = replace(folds, parts=[parts(*part) for part in folds.parts])
    number, found = np.unique(data.speakers.astype(str), return_inverse=True)[1], []
    for seed in range(DRAWS):
        drawn = random_labels(data, seed)
        if mark:
            telling = np.eye(4)[drawn.y][:, None] * np.eye(5)[number][..., None]
            X = data.X.reshape(len(data.X), -1, DIM).copy()
            X[:, :, :20] = telling.reshape(-1, 1, 20)
            drawn = replace(drawn, X=X.reshape(data.X.shape))
        one = new_head(options, drawn, seed=seed)
        heads = (one.set_params(**QUICK.get(head, {})),)
        predicted = cross_validate(drawn, [heads] * len(folds), folds, 1).prediction
        found.append((predicted == drawn.y).mean())
    return np.array(found)


def chance(mark: bool) -> tuple[float, float]:
    """Four deviations about a quarter, of independent answers in all draws.

    Marked utterances of one speaker and class look the same in what was not trained on, and may all
    be answered alike.
    """
    answers = 5 * 4 if mark else 80
    deviation = (0.25 * 0.75 / (DRAWS * answers)) ** 0.5
    return 0.25 - 4 * deviation, 0.25 + 4 * deviation


@pytest.mark.parametrize("head", FITTED)
@pytest.mark.parametrize("mark", [False, True], ids=["random labels", "marked test rows"])
def test_unlearnable_labels_are_at_chance(make_cache, head: str, mark: bool) -> None:
    low, high = chance(mark)
    assert low < shares_right(make_cache(dim=DIM), head, mark).mean() < high


@pytest.mark.parametrize("head", ["logreg", "knn", "svm", "forest", "mlp"])
@pytest.mark.parametrize("mark", [False, True], ids=["random labels", "marked test rows"])
def test_a_leak_is_detected(make_cache, head: str, mark: bool) -> None:
    """Where the test part is trained on, the bounds above are left."""

    def leaking(train: Values, test: Values) -> tuple[Values, Values]:
        return np.sort(np.concatenate([train, test])), test

    assert shares_right(make_cache(dim=DIM), head, mark, leaking).mean() > chance(mark)[1]
