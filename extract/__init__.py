"""Embed recordings once, all layers, into one cache.

``extract.extract`` fills a cache, ``extract.Embedder`` embeds audio in memory with the encoder of a
cache, and ``extract.untrained_model`` makes a transformers model with random weights, a control.
Importing this package does not import torch.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import transformers

    from data.utterance import Utterance
    from extract.embedder import Embedder as Embedder
    from extract.embedder import Embedding as Embedding
    from extract.pipeline import Portion, Settings
    from extract.recipe import Request as Request
    from extract.summary import Summary

__all__ = ["Embedder", "Embedding", "Request", "extract", "untrained_model"]

DEFAULT_MODEL = "facebook/wav2vec2-base"

_HOMES = {
    "Embedder": "extract.embedder",
    "Embedding": "extract.embedder",
    "Request": "extract.recipe",
}


def __getattr__(name: str) -> object:
    """Import a class when it is used."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'extract' has no attribute {name!r}")


def extract(
    utterances: "Sequence[Utterance] | Portion",
    cache: str | Path,
    model: str = DEFAULT_MODEL,
    request: "Request | None" = None,
    device: str = "auto",
    settings: "Settings | None" = None,
) -> "Summary":
    """Embed the utterances that a cache does not contain, and pack them into the cache.

    After an interruption or an error, finished shards stay beside the cache, and the next call uses
    them. Refused utterances are listed in ``<cache>.errors.jsonl`` and in the summary.

    Args:
        utterances: for example ``data.corpora.read("corpora/emodb").utterances``.
        cache: the file to make or extend.
        model: a name on the Hugging Face hub, a folder, or ``untrained[:large|:small|:tiny]``.
        request: layers, poolings, precision, engine, …. Open options are taken from the cache, if
            it exists.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        settings: batch size, threads, …, which do not change the numbers.

    Returns:
        Counts of embedded, cached and refused utterances.

    Raises:
        EncoderError: the encoder cannot be loaded.
        UsageError: the device or the engine is not available.
        RecipeMismatch: the cache has another recipe.
        CacheError: the cache is damaged, or all utterances were refused.
        OSError: the disk is full or cannot be written.
    """
    import logging

    from data.cache.recipe import in_words
    from data.cache.shards import Shards
    from extract import pipeline
    from extract.engines import BFLOAT16_IS_QUICKER, Engine, LateEngine
    from extract.recipe import Request

    log = logging.getLogger("wav2emo")
    cache = Path(cache)
    recipe = Shards(cache).recipe()
    request = (request or Request()).fitted_to(recipe)

    def report(engine: Engine) -> None:
        same = ", as in the cache" if recipe == engine.recipe else ""
        log.info("encoder: %s (%s)%s", in_words(engine.recipe), engine.provenance["device"], same)
        if engine.suggests_bfloat16:
            log.info(BFLOAT16_IS_QUICKER)

    engine = LateEngine(model, request, device, report)
    return pipeline.extract(utterances, engine, cache, settings)


def untrained_model(name: str = "untrained") -> "transformers.PreTrainedModel":
    """Make a transformers model with random weights from a fixed seed, as a control.

    Args:
        name: ``untrained`` (wav2vec2-base), ``untrained:large``, ``untrained:small``, which can be
            trained on two cores, or ``untrained:tiny``.

    Raises:
        EncoderError: the name is unknown.
    """
    from extract.encoders.encoder import untrained_model as make

    return make(name)
