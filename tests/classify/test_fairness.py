"""Scores of groups against scikit-learn, tests against brute force."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, recall_score

from classify.dataset import Selection
from classify.evaluation.folds import Folds
from classify.fairness.groups import grouping
from classify.fairness.options import parse_cut
from classify.fairness.result import ACROSS, BETWEEN, OF_CORPUS, WITHIN, Fairness
from classify.fairness.study import of_predictions
from classify.options import Options
from classify.report.groups import verdict
from classify.stats import intervals
from classify.stats.agreement import ccc
from classify.stats.calibration import calibration_error
from classify.stats.exchange import exchanges, p_of_difference, p_of_range
from classify.stats.metrics import confusions
from classify.stats.tests import holm
from data.errors import UsageError


def selection(speaker, y, classes: int = 3, corpus="a", **columns) -> tuple[Selection, Folds]:
    """Utterances with the columns, and a fold for each speaker."""
    count = len(y)
    table = pd.DataFrame({
        "id": [f"a/{n:05}" for n in range(count)],
        "corpus": np.broadcast_to(corpus, count).astype(object),
        "speaker": np.asarray(speaker).astype(str).astype(object),
        **{name: list(values) for name, values in columns.items()},
    })  # fmt: skip
    names = tuple(f"c{n}" for n in range(classes))
    numbers = not classes
    targets = ("arousal",) if numbers else ()
    made = Selection(table, np.arange(count), np.asarray(y), names, targets)
    rows = np.arange(count)
    return made, Folds("made up", [(rows, rows)], by_speaker=True)


def one_hot(predicted, classes: int = 3, confidence: float = 1.0) -> np.ndarray:
    """(1, utterance, class) probabilities."""
    rest = (1 - confidence) / (classes - 1)
    return (rest + (confidence - rest) * np.eye(classes)[np.asarray(predicted)])[None]


def compared(chosen: Selection, folds: Folds, output: np.ndarray, **more) -> Fairness:
    return of_predictions(Options(head="logreg"), chosen, folds, output, **more)


def drawn(random: np.random.Generator, speakers: int = 8, takes: int = 6, skill=0.6):
    """Speaker, class and prediction of each utterance."""
    y = np.tile(np.repeat(np.arange(3), takes), speakers)
    speaker = np.repeat(np.arange(speakers), 3 * takes)
    right = random.random(len(y)) < np.broadcast_to(skill, speakers)[speaker]
    return speaker, y, np.where(right, y, (y + random.integers(1, 3, len(y))) % 3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    corrected = holm(p)
    for number in range(len(p)):
        subsets = [
            some
            for size in range(1, len(p) + 1)
            for some in itertools.combinations(range(len(p)), size)
            if number in some
        ]
        largest = max(len(some) * min(p[n] for n in some) for some in subsets)
        assert corrected[number] == pytest.approx(min(largest, 1))


def test_holm_leaves_out_what_is_no_test() -> None:
    np.testing.assert_allclose(holm([0.02, np.nan, 0.01]), [0.02, np.nan, 0.02])


@pytest.mark.parametrize(
    ("groups", "strata"),
    [([0, 0, 1, 1, 2], [0] * 5), ([0, 1, 0, 1, 1, 0], [3, 3, 1, 1, 1, 2]), ([0, 0], [0, 1])],
)
def test_few_blocks_are_exchanged_in_every_way(groups: list[int], strata: list[int]) -> None:
    found = exchanges(np.array(groups), np.array(strata))
    expected = {
        tuple(groups[place] for place in places)
        for places in itertools.permutations(range(len(groups)))
        if all(strata[place] == own for place, own in zip(places, strata, strict=True))
    }
    assert Counter(map(tuple, found.tolist())) == Counter(expected)


def test_many_blocks_are_exchanged_at_random_within_strata() -> None:
    random = np.random.default_rng(0)
    groups, strata = random.integers(0, 3, 60), random.integers(0, 2, 60)
    found = exchanges(groups, strata)
    assert (found[0] == groups).all()
    assert len(np.unique(found, axis=0)) == len(found) == 5000
    for stratum in (0, 1):
        own = np.sort(found[:, strata == stratum], axis=1)
        assert (own == np.sort(groups[strata == stratum])).all()
    share = (found[:, strata == 0] == 1).mean(0)
    assert share == pytest.approx((groups[strata == 0] == 1).mean(), abs=0.03)


def test_p_of_two_groups_and_of_three_by_hand() -> None:
    values = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])  # (exchange, group)
    assert p_of_difference(values[:, 0] - values[:, 1], np.array(0.2)) == 3 / 4
    assert p_of_range(values, values[1]) == pytest.approx(2 / 4)
    three = np.array([[0.1, 0.2, 0.3], [0.1, 0.1, 0.9], [0.5, 0.5, np.nan]])
    assert p_of_range(three, three[0]) == 1.0
    assert p_of_range(three, three[1]) == 0.5
    assert np.isnan(
        [p_of_range(three, three[2]), p_of_difference(values[:, 0], np.array(np.nan))]
    ).all()


def test_scores_of_groups_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    speaker, y, _ = drawn(random)
    output = random.dirichlet(np.ones(3), (2, len(y)))  # two seeds
    sex = np.where(speaker % 2, "male", "female")
    chosen, folds = selection(speaker, y, sex=sex)
    (column,) = compared(chosen, folds, output).columns
    assert [group.name for group in column.groups] == ["female", "male"]
    for group in column.groups:
        rows = sex == group.name
        predicted = output[:, rows].argmax(2)
        seeds = [balanced_accuracy_score(y[rows], one) for one in predicted]
        assert group.value == pytest.approx(np.mean(seeds))
        recall = np.mean([recall_score(y[rows], one, average=None) for one in predicted], axis=0)
        assert [part.value for part in group.parts.values()] == pytest.approx(recall)
        both = output[:, rows].reshape(-1, 3)
        assert group.others["ece"] == pytest.approx(calibration_error(both, np.tile(y[rows], 2)))
        right = (predicted == y[rows]).mean()
        over = both.max(1).mean() - right
        assert group.others["overconfidence"] == pytest.approx(over)
        assert (group.speakers, group.utterances) == (4, 72)
        assert group.support == {"c0": 24, "c1": 24, "c2": 24}
        unit = np.unique(speaker[rows], return_inverse=True)[1]
        counts = confusions(y[rows], predicted, unit, 3).mean(1)
        expected = intervals.as_json(intervals.of_score(counts))
        assert group.interval == pytest.approx(expected)
        only = counts * (np.arange(3) == 1)[:, None]
        expected = intervals.as_json(intervals.of_score(only))
        assert group.parts["c1"].interval == pytest.approx(expected)


def test_p_is_that_of_all_exchanges_of_speakers() -> None:
    speaker, y, predicted = drawn(np.random.default_rng(2), 6, skill=[0.9, 0.8, 0.7, 0.3, 0.4, 0.2])
    sex = np.where(speaker < 3, "f", "m")
    chosen, folds = selection(speaker, y, sex=sex)
    (column,) = compared(chosen, folds, one_hot(predicted)).columns
    differences = []
    for female in itertools.combinations(range(6), 3):
        rows = np.isin(speaker, female)
        two = [balanced_accuracy_score(y[mask], predicted[mask]) for mask in (rows, ~rows)]
        differences.append(two[0] - two[1])
    observed = differences[0]
    (difference,) = column.differences
    assert (difference.group, difference.against) == ("f", "m")
    assert difference.difference == pytest.approx(observed)
    p = np.mean(np.abs(differences) >= observed - 1e-12)
    assert difference.p == pytest.approx(p)
    assert column.gap.p == difference.p
    assert column.smallest_p == pytest.approx(2 / 20)
    assert column.exchanged == BETWEEN


def test_each_of_three_groups_is_compared_with_the_others() -> None:
    speaker, y, predicted = drawn(np.random.default_rng(3), 15, skill=np.repeat([0.8, 0.6, 0.4], 5))
    accent = np.array(["a", "b", "c"])[speaker // 5]
    chosen, folds = selection(speaker, y, accent=accent)
    (column,) = compared(chosen, folds, one_hot(predicted)).columns
    for one in column.differences:
        rows = accent == one.group
        two = [balanced_accuracy_score(y[mask], predicted[mask]) for mask in (rows, ~rows)]
        assert one.difference == pytest.approx(two[0] - two[1])
        low, high = one.interval
        assert low < one.difference < high
    corrected = holm([one.p for one in column.differences])
    assert [one.corrected for one in column.differences] == pytest.approx(corrected)
    values = {group.name: group.value for group in column.groups}
    assert (column.gap.highest, column.gap.lowest) == ("a", "c")
    assert column.gap.difference == pytest.approx(values["a"] - values["c"])
    assert column.gap.significant
    for gap in column.gaps[1:4]:
        recalls = [group.parts[gap.part].value for group in column.groups]
        assert gap.difference == pytest.approx(max(recalls) - min(recalls))
    of_recalls = [gap for gap in column.gaps if gap.of == "recall"]
    assert [one.corrected for one in of_recalls] == pytest.approx(holm([t.p for t in of_recalls]))


def test_groups_are_exchanged_within_what_they_vary_in() -> None:
    speaker, y, predicted = drawn(np.random.default_rng(4))
    corpus = np.where(speaker < 4, "a", "b")
    chosen, folds = selection(
        speaker, y, corpus=corpus, sex=np.where(speaker % 2, "f", "m"),
        language=np.where(speaker < 4, "de", "en"), channel=np.tile(["x", "y"], len(y) // 2),
    )  # fmt: skip
    found = compared(chosen, folds, one_hot(predicted), by=("sex", "language", "channel"))
    assert [one.exchanged for one in found.columns] == [OF_CORPUS, ACROSS, WITHIN]
    assert found.columns[2].smallest_p == pytest.approx(2 / 2**8)


def test_groups_are_scored_on_the_classes_that_all_have() -> None:
    speaker, y, predicted = drawn(np.random.default_rng(5))
    language = np.where(speaker < 4, "de", "en")
    kept = ~((language == "en") & (y == 2))
    arrays = (values[kept] for values in (speaker, y, predicted, language))
    speaker, y, predicted, language = arrays
    chosen, folds = selection(speaker, y, language=language)
    (column,) = compared(chosen, folds, one_hot(predicted)).columns
    assert column.classes == ("c0", "c1")
    german = column.group("de")
    rows = (language == "de") & (y < 2)
    recalls = recall_score(y[rows], predicted[rows], labels=[0, 1], average=None)
    assert german.value == pytest.approx(recalls.mean())
    assert (german.utterances, german.scored) == (72, 48)


def test_small_groups_are_named_and_unknown_values_counted() -> None:
    speaker, y, predicted = drawn(np.random.default_rng(6), 12)
    accent = np.array([*"aaabbbccde", "", ""])[speaker]
    one_class = (accent == "c") & (y > 0)
    arrays = (values[~one_class] for values in (speaker, y, predicted, accent))
    speaker, y, predicted, accent = arrays
    chosen, folds = selection(speaker, y, accent=accent)
    (column,) = compared(chosen, folds, one_hot(predicted)).columns
    assert [group.name for group in column.groups] == ["a", "b"]
    assert column.unknown == 36
    assert {one.name: (one.speakers, one.utterances) for one in column.too_small} == {
        "c": (2, 12), "d": (1, 18), "e": (1, 18),
    }  # fmt: skip
    reasons = {one.name: one.reason for one in column.too_small}
    assert reasons == {"c": "1 of 3 classes with 5 utterances", "d": "1 speaker", "e": "1 speaker"}
    assert column.groups[0].interval is None  # of three speakers


def test_a_column_of_lone_speakers_is_left_out_with_its_reason() -> None:
    speaker, y, predicted = drawn(np.random.default_rng(7), 3)
    chosen, folds = selection(speaker, y, accent=speaker.astype(str))
    found = compared(chosen, folds, one_hot(predicted))
    assert not found.columns
    assert "0: 1 speaker, 1: 1 speaker" in found.left_out["accent"]


def test_ages_are_ranges_and_their_cuts_can_be_given() -> None:
    age = [17, 18, 29, 30, 44.5, 45, 60, np.nan]
    chosen, _ = selection(range(8), [0] * 8, age=age)
    found = grouping(chosen, "age")
    names = ("under 18", "18 to under 30", "30 to under 45", "45 to under 60", "60 and over")
    assert tuple(found.cat.categories) == names
    assert found.cat.codes.tolist() == [0, 1, 1, 2, 2, 3, 4, -1]
    chosen, _ = selection(range(3), [0] * 3, age=[20.0, 40.0, 41.0])
    assert [*grouping(chosen, "age").cat.categories] == ["18–29", "30–44"]
    cut = grouping(chosen, "age", {"age": (41,)})
    assert [*cut.cat.categories] == ["under 41", "41 and over"]


@pytest.mark.parametrize("text", ["age", "=3", "age=", "age=30,18", "age=x", "age=3,3"])
def test_cuts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected COLUMN=NUMBER"):
        parse_cut(text)


def test_numbers_have_ccc_by_group() -> None:
    random = np.random.default_rng(8)
    speaker = np.repeat(np.arange(10), 12)
    truth = random.normal(3, 1, (120, 1))
    noise = np.where(speaker < 5, 0.3, 3.0)[:, None] * random.normal(size=truth.shape)
    sex = np.where(speaker < 5, "f", "m")
    chosen, folds = selection(speaker, truth, 0, sex=sex)
    found = compared(chosen, folds, (truth + noise)[None])
    assert (found.measure, found.label) == ("ccc", "CCC")
    (column,) = found.columns
    for group in column.groups:
        t, p = truth[sex == group.name], (truth + noise)[sex == group.name]
        assert group.value == pytest.approx(ccc(t, p)[0])
        assert group.others["rmse"] == pytest.approx(np.sqrt(((t - p) ** 2).mean()))
        assert group.others["bias"] == pytest.approx((p - t).mean())
        unit = np.unique(speaker[sex == group.name], return_inverse=True)[1]
        assert group.interval == pytest.approx(intervals.as_json(intervals.of_ccc(t, p, unit))[1])
    assert column.gap.significant
    assert column.gap.interval is None
    assert column.classes == ()


@pytest.mark.torture
@pytest.mark.parametrize("effect", ["speakers alike", "speakers differ"])
def test_p_of_fair_heads_is_uniform(effect: str) -> None:
    random = np.random.default_rng(9)
    p = []
    for _ in range(300):
        skill = random.uniform(0.3, 0.9, 12) if effect == "speakers differ" else 0.6
        speaker, y, predicted = drawn(random, 12, skill=skill)
        group = np.array([0] * 5 + [1] * 7)[random.permutation(12)]
        chosen, folds = selection(speaker, y, sex=group[speaker].astype(str))
        (column,) = compared(chosen, folds, one_hot(predicted)).columns
        p.append(column.gap.p)
    for share in (0.05, 0.1, 0.25, 0.5):
        error = 3 * np.sqrt(share * (1 - share) / len(p))
        assert np.mean(np.array(p) <= share) == pytest.approx(share, abs=error + 0.01)


def test_unknown_speakers_count_as_one() -> None:
    speaker, y, predicted = drawn(np.random.default_rng(10))
    chosen, folds = selection(speaker, y, sex=np.where(speaker % 2, "f", "m"))
    folds = dataclasses.replace(folds, by_speaker=False)
    found = compared(chosen, folds, one_hot(predicted))
    (column,) = found.columns
    assert [(group.speakers, group.interval) for group in column.groups] == [(None, None)] * 2
    assert (column.gap.p, column.smallest_p) == (1, 1)
    assert "The speakers are unknown and count as one" in verdict(column, found)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_utterances_and_names_of_speakers_do_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    speaker, y, predicted = drawn(random, 6)
    sex = np.where(speaker % 2, "f", "m")
    order = random.permutation(len(y))
    renamed = np.array([f"s{n}" for n in random.permutation(6)])
    found = [
        compared(*selection(names[rows], y[rows], sex=sex[rows]), one_hot(predicted[rows]))
        for names, rows in ((speaker.astype(str), np.arange(len(y))), (renamed[speaker], order))
    ]
    one, other = (each.columns[0] for each in found)
    for a, b in zip(one.gaps, other.gaps, strict=True):
        assert (a.of, a.part) == (b.of, b.part)
        assert a.difference == pytest.approx(b.difference)
        assert a.p == pytest.approx(b.p)
        assert 0 < a.p <= a.corrected <= 1
