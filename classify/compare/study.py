"""Cross-validate several heads under the same folds."""

import logging
import time

from classify.compare.options import CompareOptions
from classify.compare.result import Comparison, HeadResult
from classify.dataset import Selection, require_classes, select, sound, with_features
from classify.evaluation.division import divide
from classify.evaluation.folds import Folds
from classify.evaluation.run import evaluate_folds
from classify.evaluation.scheduling import spread
from classify.heard import marked
from data.cache import Cache
from data.errors import HeadError, Wav2emoError

log = logging.getLogger("wav2emo")


def compare(options: CompareOptions) -> Comparison:
    """Compare the heads that `options` name. A head that fails does not stop the others.

    Raises:
        CacheError, UsageError: the cache does not exist, or lacks what the options require.
        HeadError: all heads have failed.
    """
    with sound(options.shared.cache) as cache:
        require_classes(cache.utterances, options.shared)
        chosen, folds = divide(select(cache.utterances, options.shared), options.shared)
        results: list[HeadResult] = []
        failed: dict[str, str] = {}
        found = spread(cross_validated, options.heads, options, cache, chosen, folds)
        for head, answer in zip(options.heads, found, strict=True):
            if isinstance(answer, HeadResult):
                results.append(answer)
            else:
                failed[head] = _reason(answer, options)
                log.debug("%s", head, exc_info=answer)
                log.warning("%s is left out: %s", head, failed[head])
        if not results:
            raise HeadError(f"no head could be fitted: {next(iter(failed.values()))}")
        recipe = marked(cache.recipe, chosen.utterances)
        tested = folds.tested
        return Comparison.of(
            options, chosen.part(tested), folds.within(tested), results, failed, recipe,
            cache.fingerprint,
        )  # fmt: skip


def cross_validated(
    options: CompareOptions, cache: Cache, chosen: Selection, folds: Folds, head: str
) -> HeadResult | Exception:
    """Cross-validate one head, as ``python -m classify`` does, or return why it failed."""
    try:
        data = with_features(chosen, options.of(head), cache)
        log.info("%s: %s", head, data.features)
        began = time.perf_counter()
        result = evaluate_folds(options.of(head), data, folds).result
        seconds = round(time.perf_counter() - began, 2)
        predictions = result.by_seed.argmax(2)
        return HeadResult(head, str(data.features), result.prediction, predictions, seconds)
    except Exception as error:  # the results of the other heads are kept
        return error


def _reason(error: Exception, options: CompareOptions) -> str:
    """One line of text, without the path of the cache."""
    text = str(error).replace(str(options.shared.cache), options.shared.cache.name)
    first = text.splitlines()[0] if text else type(error).__name__
    return first if isinstance(error, Wav2emoError) else f"{type(error).__name__}: {first}"
