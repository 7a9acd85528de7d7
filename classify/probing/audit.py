"""Checks for what could invalidate the curves of a probe."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.dataset import texts
from classify.features import Matrix
from classify.heard import heard
from classify.probing.checks import FAIL, NOTE, OK, Audit, Check
from classify.probing.controls import most_frequent
from classify.probing.layers import CacheLayers
from classify.probing.options import ProbeOptions
from classify.probing.result import TargetResult
from classify.probing.targets import Task
from classify.stats.intervals import FEWEST
from classify.stats.metrics import uar
from data.cache.by_fold import FoldedCache
from data.cache.columns import HEARD
from data.cache.recipe import Recipe
from data.text import several

# Distance of two utterances in standardised features, as a share of the median over all pairs. In
# an encoder with random weights, on layers 0, 6 and 12, no two different recordings of Emo-DB or of
# RAVDESS are nearer than 0.41; the same one at half the level is at 0.01 at most, as MP3 at 0.18,
# as Ogg Vorbis at 0.16 (median; 0.35 at most), without its last tenth at 0.26 (median).
NEAR = 0.3
MANY = 4096  # utterances; of more, some directions are searched first
DIRECTIONS = 64
BLOCK = 1 << 24  # distances in memory at once

# Names of models that are known to be fine-tuned on emotion corpora: pattern, corpus, in words
TUNED = (
    ("emotion2vec[_+-]?plus|emotion2vec[+]", "", "large collections of emotion corpora"),
    ("iemocap", "iemocap", "IEMOCAP"),
    ("superb.*-er$", "iemocap", "IEMOCAP"),
    ("msp[_-]?(dim|podcast)|odyssey", "msp", "MSP-Podcast"),
    ("ravdess", "ravdess", "RAVDESS"),
    ("emo-?db", "emodb", "Emo-DB"),
    ("crema", "crema", "CREMA-D"),
    ("emotion", "", "an emotion corpus, as its name suggests"),
)

FEW_UTTERANCES = 10  # of a class
FEW_VOICES = 3  # speakers of a class: with two, one is trained on


@dataclass(frozen=True)
class Pairs:
    """Pairs of utterances with the same audio, by rows of the cache."""

    identical: npt.NDArray[np.intp]  # (pair, 2) equal bytes
    near: npt.NDArray[np.intp]  # (pair, 2) nearly equal features, and not equal bytes


def audit(results: Mapping[str, TargetResult], source: CacheLayers, options: ProbeOptions) -> Audit:
    """Audit the results of all targets.

    Args:
        results: by target.
        source: the layers of all probed utterances.
        options: of the probe.
    """
    cache = source.cache
    table = cache.utterances.loc[source.rows]
    one = [*source.of_encoder(cache.caches[0] if isinstance(cache, FoldedCache) else cache)]
    pairs = same_sound(table, one[0][1])
    of_targets = [check for result in results.values() for check in checks(result.task, pairs)]
    of_encoder = encoder(cache.recipe, table)
    kinds = defaultdict(list)
    for name, result in results.items():
        kinds[result.C].append(name)
    fitted = [
        ("encoder", f"elsewhere: {of_encoder.detail}"),
        ("scaler and probe", "the training part of each fold"),
        *((f"C ({', '.join(names)})", kind) for kind, names in kinds.items()),
    ]
    if not options.quick:
        fitted += [
            ("layer of the nested choice", "inner folds of each training part"),
            ("C of shuffled labels", "that of the true labels in each training part"),
        ]
    fitted.append(("best layer", "the test parts: its score is too high"))
    if options.remove == "speaker":
        where = "all utterances of that speaker, no labels: transductive"
        fitted.append(("speaker's mean", where))
    if options.remove == "speaker-subspace":
        fitted.append(("speaker subspace", "the training part of each fold, with its labels"))
    if options.mdl:
        fitted.append(
            ("C of the code", "the labels that it codes; the code includes the bits of the choice")
        )
    return Audit((of_encoder, *of_targets, constant_features(one)), tuple(fitted))


def checks(task: Task, pairs: Pairs) -> list[Check]:
    """Check the folds of one target."""
    found = {
        "speaker overlap": _speakers(task),
        "sentence overlap": _sentences(task),
        "identical audio": _same_sound(task, pairs.identical, "byte-identical"),
        "near-identical audio": _same_sound(task, pairs.near, "near-identical"),
        "missing classes": _missing_classes(task),
        "tiny groups": _tiny_groups(task),
    }
    return [Check(name, task.target, *result) for name, result in found.items()]


def _speakers(task: Task) -> tuple[str, str]:
    if task.target == "speaker":
        return OK, "the target is the speaker, so each is in training and test"
    if not task.selection.speakers_known:
        return FAIL, "the speakers are unknown, so the same voice may be in training and test"
    shared = _shared(task, task.selection.speakers)
    return (FAIL, f"{shared:.0%} of the tested utterances") if shared else (OK, "none")


def _sentences(task: Task) -> tuple[str, str]:
    if task.target == "sentence":
        return OK, "the target is the sentence, so each is in training and test"
    sentences = texts(task.selection.utterances, "sentence")
    if not (sentences != "").any():
        return NOTE, "the sentences are unknown"
    shared = _shared(task, sentences)
    if not shared:
        return OK, "none"
    alone, chance = uar(most_frequent(task, sentences)), 1 / len(task.classes)
    return FAIL, (
        f"{shared:.0%} of the tested utterances have a sentence of the training part; "
        f"the sentence alone gives a UAR of {alone:.3f} (chance {chance:.3f})"
    )


def _shared(task: Task, groups: npt.NDArray) -> float:
    """Share of the utterances whose group is in the training part of their fold; "" is none."""
    group = np.unique(groups.astype(str), return_inverse=True)[1]
    known = groups != ""
    found = [np.isin(group[test], group[train]) & known[test] for train, test in task.folds.parts]
    return float(np.concatenate(found).mean())


def _same_sound(task: Task, pairs: npt.NDArray[np.intp], kind: str) -> tuple[str, str]:
    position = pd.Series(np.arange(len(task.y)), task.selection.rows)
    here = pairs[np.isin(pairs, task.selection.rows).all(1)]
    if not len(here):
        return OK, "none"
    one, other = (position[column].to_numpy() for column in here.T)
    train, test = task.folds.train, task.folds.test
    across = (test[:, other] & train[:, one] | test[:, one] & train[:, other]).any(0)
    ids = task.selection.utterances["id"].to_numpy(object)
    first = across.argmax()
    example = f"{ids[one[first]]} and {ids[other[first]]}"
    if across.any():
        pairs_across = several(int(across.sum()), f"{kind} pair")
        return FAIL, f"{pairs_across} across training and test, such as {example}"
    return NOTE, f"{several(len(here), f'{kind} pair')}, never across training and test: {example}"


def _missing_classes(task: Task) -> tuple[str, str]:
    everything = set(range(len(task.classes)))
    untrained = sum(set(task.y[train]) != everything for train, _ in task.folds.parts)
    if untrained:
        return FAIL, f"{untrained} of {len(task.folds)} training parts lack a class"
    untested = sum(set(task.y[test]) != everything for _, test in task.folds.parts)
    if untested:
        return NOTE, (
            f"{untested} of {len(task.folds)} test parts lack a class; scores are of all folds "
            "together, not means over folds"
        )
    return OK, "none"


def _tiny_groups(task: Task) -> tuple[str, str]:
    sizes = np.bincount(task.y)
    found = [
        f"{task.classes[k]} has {sizes[k]} utterances"
        for k in np.flatnonzero(sizes < FEW_UTTERANCES)
    ]
    if task.selection.speakers_known:
        voices = Counter(k for k, _ in set(zip(task.y, task.selection.speakers, strict=True)))
        if task.target != "speaker":
            found += [
                f"{task.classes[k]} is spoken by {voices[k]} speakers"
                for k in sorted(voices)
                if voices[k] < FEW_VOICES
            ]
        speakers = len(task.tested_speakers[0])
        if speakers < FEWEST:
            found.append(f"{speakers} speakers: an interval needs {FEWEST}")
    return (FAIL, "; ".join(found)) if found else (OK, "none")


def same_sound(table: pd.DataFrame, X: Matrix) -> Pairs:
    """Find recordings that occur twice.

    Args:
        table: the utterances, indexed by their rows of the cache; segments of one recording have
            its checksum and differ in their seconds.
        X: (utterance, dim) features of them.
    """
    same = ["sha256", "start", "end"]
    copies = table[(table["sha256"] != "") & table.duplicated(same, keep=False)]
    groups = copies.groupby(same, dropna=False, sort=False)
    identical = [pair for _, own in groups for pair in combinations(own.index, 2)]
    near = map(tuple, table.index.to_numpy()[near_pairs(X)].tolist())
    known = set(identical)
    others = [pair for pair in near if pair not in known]
    return Pairs(*(np.array(found, np.intp).reshape(-1, 2) for found in (identical, others)))


def near_pairs(X: Matrix) -> npt.NDArray[np.intp]:
    """(pair, 2) utterances nearer to each other than `NEAR` of the median distance.

    Distances along some orthogonal directions are no longer than the whole, so what is near is
    found there and checked on all features. The directions are near the leading principal ones.
    """
    deviation = X.std(0)
    Z = ((X - X.mean(0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    Z = Z[:, deviation > 0]
    if not Z.size:
        return np.empty((0, 2), np.intp)
    random = np.random.default_rng(0)
    some = random.choice(len(Z), min(len(Z), 1000), replace=False)
    sample = _squared_distances(Z[some], Z[some])[np.triu_indices(len(some), 1)]
    limit = NEAR**2 * float(np.median(sample))
    P = Z
    if len(Z) > MANY and Z.shape[1] > DIRECTIONS:
        guess = random.normal(size=(Z.shape[1], DIRECTIONS)).astype(np.float32)
        P = Z @ np.linalg.qr(Z[some].T @ (Z[some] @ guess))[0]
    found = []
    for start in range(0, len(P), step := max(1, BLOCK // len(P))):
        close = np.argwhere(_squared_distances(P[start : start + step], P[start:]) <= limit)
        one, other = close[close[:, 0] < close[:, 1]].T + start
        near = ((Z[one] - Z[other]) ** 2).sum(1) <= limit
        found.append(np.stack([one[near], other[near]], 1))
    return np.concatenate(found)


def _squared_distances(A: Matrix, B: Matrix) -> Matrix:
    return (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T


def encoder(recipe: Recipe, table: pd.DataFrame) -> Check:
    """The check of the recordings that the encoder was trained on.

    Args:
        recipe: of the cache.
        table: the utterances.
    """
    return Check("encoder", "all", *_encoder(recipe, table))


def _encoder(recipe: Recipe, table: pd.DataFrame) -> tuple[str, str]:
    if recipe.get("control"):
        return OK, "its weights are random"
    if recipe.get("trained_on"):
        count = int(heard(table).sum())
        if not count:
            return OK, "fine-tuned on other recordings and other speakers than these"
        roles = Counter(table[HEARD][heard(table)])
        words = ", ".join(f"{role} {n}" for role, n in sorted(roles.items()))
        return FAIL, f"it has heard {count} of {len(table)} utterances: {words}"
    name = str(recipe.get("model", ""))
    for pattern, corpus, what in TUNED:
        if re.search(pattern, name, re.IGNORECASE):
            corpora = " ".join({*table["corpus"]}).lower()
            status = FAIL if corpus and corpus in corpora else NOTE
            return status, f"{name} was fine-tuned on {what}; whether on these is unknown"
    return NOTE, (
        "what it was trained on is not recorded; 'python -m extract annotate' records what is known"
    )


def constant_features(layers: Iterable[tuple[int, Matrix]]) -> Check:
    """Whether some features never change; a scaler leaves them at 0."""
    counts = {layer: int((np.ptp(X, axis=0) == 0).sum()) for layer, X in layers}
    found = {layer: count for layer, count in counts.items() if count}
    status, detail = OK, "none"
    if found:
        most = max(found, key=found.__getitem__)
        status = NOTE
        detail = f"in {len(found)} of {len(counts)} layers, most in layer {most}: {found[most]}"
    return Check("constant features", "all", status, detail)
