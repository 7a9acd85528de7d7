"""Error rates of the statistics, by simulation: what intervals cover, what `best` declares worse.

    python tests/torture/error_rates.py [--studies 2000] [--quick]

Speakers and their skill by class are drawn anew in every study; the true score is that of all
speakers who could have been drawn. Prints the tables of ``docs/statistics.md``, and fails if a rate
is outside of what is promised there.
"""

import argparse
import sys
import warnings
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri

from classify.stats import best, interval
from classify.stats.agreement import ccc
from classify.stats.exchange import exchanges, p_of_difference
from classify.stats.intervals import of_ccc as interval_of_ccc
from classify.stats.intervals import of_difference as interval_of_difference
from classify.stats.metrics import uar

CLASSES = 7
SPEAKERS = (4, 6, 10, 24, 100)
COVERAGE = (0.93, 0.98)  # promised of an interval of 95 %
OF_DIFFERENCES = (0.93, 0.99)  # wide with 4 speakers and scores near 0 or 1
ERROR = 0.06  # promised of `best` at 0.05
UTTERANCES = 28  # of each speaker and class, where two layers are compared
POPULATION = 20_000  # speakers that the true score is computed from
DRAWS = 1000  # of the bootstrap that intervals are compared with


@dataclass(frozen=True)
class Scenario:
    """How speakers and their utterances are drawn."""

    name: str
    score: float = 0.55  # mean recall, about
    utterances: int = 8  # of each class and speaker
    skill: float = 0.5  # deviation between speakers, in logits
    by_class: float = 0.7  # deviation between a speaker's classes
    unequal: float = 0.0  # deviation of the logarithm of a speaker's number of utterances
    lacking: float = 0.0  # share of its classes that a speaker lacks


SCENARIOS = (
    Scenario("equal numbers"),
    Scenario("speakers alike", skill=0, by_class=0),
    Scenario("unequal numbers", unequal=0.8),
    Scenario("lacking classes", lacking=0.3),
    Scenario("unequal, lacking", unequal=0.8, lacking=0.3),
    Scenario("score near 1", score=0.97),
    Scenario("score near 0", score=0.04),
    Scenario("near 1, unequal", score=0.97, unequal=0.8),
)


def recalls(scenario: Scenario, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """(*shape, class) true recall of each speaker's classes."""
    by_class = logit(scenario.score) + np.linspace(-0.5, 0.5, CLASSES)
    speaker = scenario.skill * random.standard_normal((*shape, 1))
    return expit(by_class + speaker + scenario.by_class * random.standard_normal((*shape, CLASSES)))


def draw(
    scenario: Scenario, speakers: int, studies: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """(speaker, study, truth, prediction) counts."""
    shape = speakers, studies
    unequal = np.exp(scenario.unequal * random.standard_normal((*shape, 1)))
    support = np.maximum(1, np.round(scenario.utterances * unequal)).astype(np.int64)
    support = support * (random.random((*shape, CLASSES)) >= scenario.lacking)
    hits = random.binomial(support, recalls(scenario, shape, random))
    counts = np.zeros((*shape, CLASSES, CLASSES), np.int64)
    others = np.full(CLASSES - 1, 1 / (CLASSES - 1))
    for number in range(CLASSES):
        elsewhere = np.arange(CLASSES) != number
        wrong = random.multinomial(support[..., number] - hits[..., number], others)
        counts[..., number, elsewhere] = wrong
        counts[..., number, number] = hits[..., number]
    return counts


def true_uar(scenario: Scenario, random: np.random.Generator) -> float:
    """Of all speakers who could be drawn."""
    return float(recalls(scenario, (POPULATION,), random).mean())


def bootstrap(counts: npt.NDArray[np.int64], random: np.random.Generator) -> np.ndarray:
    """(2, study): the percentile interval that was used before, for comparison."""
    speakers = len(counts)
    times = random.multinomial(speakers, np.full(speakers, 1 / speakers), size=DRAWS)
    drawn = [uar(np.tensordot(each, counts, 1)) for each in times]
    return np.quantile(drawn, [0.025, 0.975], axis=0)


def covered(low: np.ndarray, high: np.ndarray, true: float) -> float:
    """Share of the intervals that hold the true score, of the studies that have one."""
    return float(((low <= true) & (true <= high))[~np.isnan(low)].mean())


def of_uar(studies: int) -> list[tuple[str, int, float, float, float, float]]:
    """(scenario, speakers, coverage, width, coverage and width of the bootstrap)."""
    rows = []
    for number, (scenario, speakers) in enumerate(product(SCENARIOS, SPEAKERS)):
        random = np.random.default_rng(number)
        true = true_uar(scenario, random)
        counts = draw(scenario, speakers, studies, random)
        low, high = interval(counts)
        subset = counts[:, : max(1, studies // 5)]
        old = bootstrap(subset, random)
        rows.append((
            scenario.name, speakers, covered(low, high, true), float(np.nanmean(high - low)),
            covered(*old, true), float((old[1] - old[0]).mean()),
        ))  # fmt: skip
    return rows


def of_differences(studies: int) -> list[tuple[str, int, float, float]]:
    """(qualities, speakers, coverage, width) of the UAR of a layer less that of another one."""
    rows = []
    qualities = ((0.55, 0.5), (0.6, 0.6), (0.98, 0.95), (0.97, 0.97), (0.05, 0.03))
    for number, (pair, correlation, speakers) in enumerate(
        product(qualities, (0.0, 0.8), SPEAKERS)
    ):
        random = np.random.default_rng(1000 + number)
        counts = layers((speakers, studies), np.array(pair), correlation, random)
        true = uar(layers((POPULATION, 1), np.array(pair), correlation, random).sum((0, 1)))
        low, high = interval_of_difference(counts)
        name = f"{pair[0]} and {pair[1]}, correlation {correlation}"
        within = covered(low, high, float(true[0] - true[1]))
        rows.append((name, speakers, within, float(np.nanmean(high - low))))
    return rows


def of_ccc(studies: int) -> list[tuple[str, int, float, float]]:
    """(scenario, speakers, coverage, width) of CCC; speakers differ in bias and slope."""
    rows = []
    cases = (("CCC 0.7", 0.8), ("CCC 0.2", 2.5), ("CCC 0.9", 0.4))
    for number, ((name, noise), unequal, speakers) in enumerate(
        product(cases, (0.0, 0.8), SPEAKERS)
    ):
        random = np.random.default_rng(3000 + number)

        def rated(
            speaker: np.ndarray, studies: int, noise: float = noise, random=random
        ) -> tuple[np.ndarray, np.ndarray]:
            of_speaker = random.standard_normal((3, speaker.max() + 1, studies))
            truth = random.standard_normal((len(speaker), studies)) + 0.3 * of_speaker[0, speaker]
            slope, bias = 0.9 + 0.1 * of_speaker[1, speaker], 0.15 * of_speaker[2, speaker]
            return truth, slope * truth + bias + noise * random.standard_normal(truth.shape)

        true = float(ccc(*rated(np.repeat(np.arange(POPULATION), 10), 1))[0])
        sizes = np.maximum(5, 30 * np.exp(unequal * ndtri((np.arange(speakers) + 0.5) / speakers)))
        speaker = np.repeat(np.arange(speakers), sizes.astype(int))
        low, high = interval_of_ccc(*rated(speaker, studies), speaker)
        low, high = low[:-1], high[:-1]
        label = f"{name}{', unequal' if unequal else ''}"
        rows.append((label, speakers, covered(low, high, true), float(np.nanmean(high - low))))
    return rows


def layers(
    shape: tuple[int, ...], quality: np.ndarray, correlation: float, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """(*shape, layer, truth, prediction) counts of 2 classes; neighbouring layers err alike.

    An utterance is right in a layer where a latent normal variable is below the quantile of the
    layer's quality; from layer to layer it is autoregressive, as speakers' skill is.
    """

    def chain(*dimensions: int) -> np.ndarray:
        values = random.standard_normal((*shape, *dimensions, len(quality)))
        for layer in range(1, len(quality)):
            values[..., layer] *= np.sqrt(1 - correlation**2)
            values[..., layer] += correlation * values[..., layer - 1]
        return values

    latent = 0.9 * chain(2, UTTERANCES) + 0.2 * chain(1, 1)
    latent += 0.4 * random.standard_normal((*shape, 1, 1, 1))
    hits = np.moveaxis((latent < ndtri(quality)).sum(-2), -1, -2)  # (*shape, layer, truth)
    counts = np.empty((*hits.shape, 2), np.int64)
    for truth in (0, 1):
        counts[..., truth, truth] = hits[..., truth]
        counts[..., truth, 1 - truth] = UTTERANCES - hits[..., truth]
    return counts


def of_best(studies: int) -> list[tuple[int, int, float, str, float, float, float]]:
    """(speakers, layers, correlation, curve, share of studies in which a layer is declared worse,
    layers declared worse in the mean, share in which the truly best layer is)."""
    rows = []
    settings = [(s, m, c, 0.0) for s, m in ((6, 13), (10, 13), (24, 13), (24, 25))
                for c in (0.0, 0.8, 0.95)]  # fmt: skip
    settings += [(s, 13, 0.8, h) for s in (6, 10, 24) for h in (0.05, 0.12)]
    for number, (speakers, many, correlation, height) in enumerate(settings):
        random = np.random.default_rng(4000 + number)
        bump = np.exp(-(((np.arange(many) - 0.55 * many) / (many / 4.5)) ** 2))
        quality = 0.5 + height * bump
        found = [
            set(range(many))
            - set(best(layers((speakers,), quality, correlation, random), draws=1000).equals)
            for _ in range(studies)
        ]
        rows.append((
            speakers, many, correlation, f"peak of +{height}" if height else "all alike",
            float(np.mean([bool(worse) for worse in found])),
            float(np.mean([len(worse) for worse in found])),
            float(np.mean([int(quality.argmax()) in worse for worse in found])) if height else 0.0,
        ))  # fmt: skip
    return rows


def of_groups(studies: int) -> list[tuple[str, str, float, float, float]]:
    """(scenario, speakers, coverage and width of the difference of two groups, share of studies in
    which p is at most 0.05); the groups are alike."""
    rows = []
    sizes = ((3, 7), (4, 4), (4, 12), (12, 12), (30, 60))
    for number, (scenario, (one, two)) in enumerate(product((SCENARIOS[0], SCENARIOS[4]), sizes)):
        random = np.random.default_rng(5000 + number)
        counts = draw(scenario, one + two, studies, random)
        group = np.repeat([0, 1], [one, two])
        mask = group[:, None] == np.arange(2)
        low, high = interval_of_difference(counts[:, :, None] * mask[:, None, :, None, None])
        labels = exchanges(group, np.zeros_like(group))
        marked = (labels[:, None] == np.arange(2)[:, None]).astype(float)  # (exchange, 2, speaker)
        p = []
        for study in range(studies // 4):
            support = counts[:, study].sum(-1)
            hits = np.diagonal(counts[:, study], axis1=-2, axis2=-1)
            with np.errstate(invalid="ignore"):
                scores = ((marked @ hits) / (marked @ support)).mean(-1)
                observed = (mask.T @ hits / (mask.T @ support)).mean(-1)
            p.append(p_of_difference(scores[:, 0] - scores[:, 1], observed[0] - observed[1]))
        rows.append((
            scenario.name, f"{one} and {two}", covered(low, high, 0.0),
            float(np.nanmean(high - low)), float(np.mean(np.array(p)[np.isfinite(p)] <= 0.05)),
        ))  # fmt: skip
    return rows


def by_speakers(title: str, rows: list[tuple], column: int = 2) -> None:
    """Print a rate (mean width) in Markdown: a row a case, a column a number of speakers."""
    print(f"\n| {title} | {' | '.join(map(str, SPEAKERS))} |\n|{' --- |' * (len(SPEAKERS) + 1)}")
    for case in dict.fromkeys(row[0] for row in rows):
        cells = [f"{row[column]:.3f} ({row[column + 1]:.2f})" for row in rows if row[0] == case]
        print(f"| {case} | {' | '.join(cells)} |")


def table(names: tuple[str, ...], rows: list[tuple]) -> None:
    """Print in Markdown."""
    print(f"\n| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    for row in rows:
        cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in row]
        print(f"| {' | '.join(cells)} |")


def within(rate: float, bounds: tuple[float, float], slack: float) -> bool:
    """Whether a simulated rate may be one within the bounds."""
    return bounds[0] - slack <= rate <= bounds[1] + slack


def main() -> int:
    """Simulate, print, and say whether the promises hold."""
    warnings.simplefilter("ignore", RuntimeWarning)  # some studies have fewer than 4 speakers
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    found = of_uar(studies)
    by_speakers("UAR", found)
    by_speakers("UAR, percentile bootstrap", found, column=4)
    differences, concordance = of_differences(studies), of_ccc(studies)
    by_speakers("difference of two UARs", differences)
    by_speakers("CCC", concordance)
    tests = of_best(max(studies // 2, 100))
    table(("speakers", "layers", "correlation", "quality", "some layer declared worse",
           "layers declared worse", "the best declared worse"), tests)  # fmt: skip
    groups = of_groups(studies)
    table(("groups alike", "speakers", "coverage", "mean width", "p at most 0.05"), groups)
    slack = 2.6 * (0.95 * 0.05 / studies) ** 0.5  # what a simulation of so many studies cannot tell
    failed = [row[:3] for row in (*found, *concordance) if not within(row[2], COVERAGE, slack)]
    failed += [row[:3] for row in differences if not within(row[2], OF_DIFFERENCES, slack)]
    failed += [row[:5] for row in tests if row[3] == "all alike" and row[4] > ERROR + slack]
    failed += [row for row in groups if row[2] < COVERAGE[0] - slack or row[4] > ERROR + 2 * slack]
    for row in failed:
        print("outside of what is promised:", row)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
