"""Cross-validate several heads under the same folds."""

import logging
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.compare.options import CompareOptions
from classify.dataset import Selection, require_classes, select, sound, with_features
from classify.evaluation import run
from classify.evaluation.division import divide
from classify.evaluation.folds import Folds
from classify.evaluation.scheduling import spread
from classify.heard import marked
from data.cache import Cache
from data.cache.recipe import Recipe
from data.errors import HeadError, Wav2emoError

log = logging.getLogger("wav2emo")


@dataclass(frozen=True)
class HeadResult:
    """The predictions of one cross-validated head."""

    head: str
    features: str  # as text: "mean of layers 0–12, mean + std"
    prediction: npt.NDArray[np.intp]  # (utterance,) number of the class, of all seeds together
    predictions: npt.NDArray[np.intp]  # (seed, utterance) number of the class
    seconds: float  # duration of the cross-validation


@dataclass(frozen=True)
class Study:
    """The predictions of several heads under the same folds."""

    options: CompareOptions
    selection: Selection  # the utterances of the test parts
    folds: Folds  # of these; the audit is about all
    results: tuple[HeadResult, ...]  # in the order of the options, without failed heads
    failed: dict[str, str]  # head → reason
    recipe: Recipe
    fingerprint: str


def study(options: CompareOptions) -> Study:
    """Cross-validate the heads that `options` name. A head that fails does not stop the others.

    Raises:
        CacheError, UsageError: the cache does not exist, or lacks what the options require.
        HeadError: all heads have failed.
    """
    with sound(options.shared.cache) as cache:
        require_classes(cache.utterances, options.shared)
        chosen, folds = divide(select(cache.utterances, options.shared), options.shared)
        results: list[HeadResult] = []
        failed: dict[str, str] = {}
        found = spread(_tried, options.heads, options, cache, chosen, folds)
        for head, answer in zip(options.heads, found, strict=True):
            if isinstance(answer, HeadResult):
                results.append(answer)
            else:
                failed[head] = _reason(answer, options)
                log.debug("%s", head, exc_info=answer)
                log.warning("%s is left out: %s", head, failed[head])
        if not results:
            raise HeadError(f"no head could be fitted: {next(iter(failed.values()))}")
        tested = folds.tested
        return Study(
            options=options,
            selection=chosen.part(tested),
            folds=folds.within(tested),
            results=tuple(results),
            failed=failed,
            recipe=marked(cache.recipe, chosen.utterances),
            fingerprint=cache.fingerprint,
        )


def _tried(
    options: CompareOptions, cache: Cache, chosen: Selection, folds: Folds, head: str
) -> HeadResult | Exception:
    try:
        return cross_validated(head, options, cache, chosen, folds)
    except Exception as error:  # the results of the other heads are kept
        return error


def cross_validated(
    head: str, options: CompareOptions, cache: Cache, chosen: Selection, folds: Folds
) -> HeadResult:
    """Cross-validate one head, as ``python -m classify`` does.

    Raises:
        UsageError: the cache lacks features that the head needs.
        HeadError: the head cannot be fitted to a training part.
    """
    data = with_features(chosen, options.of(head), cache)
    log.info("%s: %s", head, data.features)
    began = time.perf_counter()
    result = run.evaluate_folds(options.of(head), data, folds).result
    seconds = time.perf_counter() - began
    if not np.array_equal(result.fold, folds.fold[folds.tested]):
        raise HeadError(f"{head} was evaluated with different folds")
    return HeadResult(
        head, str(data.features), result.prediction, result.by_seed.argmax(2), seconds
    )


def _reason(error: Exception, options: CompareOptions) -> str:
    """One line of text, without the path of the cache."""
    text = str(error).replace(str(options.shared.cache), options.shared.cache.name)
    first = text.splitlines()[0] if text else type(error).__name__
    return first if isinstance(error, Wav2emoError) else f"{type(error).__name__}: {first}"
