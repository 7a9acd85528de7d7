"""Do one part of a list of utterances; whoever finishes last packs.

Any number of machines may do this to one cache on a file system that they share, in any order, and
two of them the same part.
"""

from pathlib import Path

from data.cache import refusals
from data.cache.shards import Shards
from data.console import log
from data.errors import CacheError
from extract.engines import Engine
from extract.partition import Share
from extract.pipeline import Settings, Summary, embed_missing


def extract_part(
    share: Share, engine: Engine, cache: Path, settings: Settings | None = None
) -> Summary:
    """Embed what `cache` does not hold yet of one part, and pack it if all others are done.

    Every part has to be cut from the same list of utterances; another part's report tells if not.

    Raises:
        RecipeMismatch: the cache was made, or is being made, by another recipe.
        CacheError: it is damaged, or every utterance of the part was refused.
        OSError: the disk is full or cannot be written.
    """
    part, own = share.part, share.own
    whole = {utterance.id: utterance for utterance in share.whole}
    summary = Summary(packed=False)
    parts = Shards(cache)
    try:
        parts.claim(engine.recipe)
        _compare_lists(cache, share)
        embed_missing(own, parts.known(), parts, engine, settings or Settings(), summary)
        if own and not summary.embedded and not summary.cached:
            first = summary.refused[0]
            raise CacheError(
                f"none of the {len(own)} utterances of part {part} could be embedded, the first "
                f"because: {first.utterance.file}: {first.reason}. Does this machine see the "
                "recordings? --audio-prefix OLD=NEW tells where they are"
            )
        rows = [refusal.row() for refusal in summary.refused]
        refusals.publish(cache, refusals.Report(part.number, part.of, share.plan, len(whole), rows))
        total = parts.pack_if_last(whole, lambda: refusals.refused(cache, share.plan))
        present = parts.ids()
        if total is not None:
            refusals.collect(cache, lambda: present)
            summary.packed = True
        summary.total = len(present)
        summary.missing = len(whole.keys() - present - refusals.refused(cache, share.plan).keys())
    finally:
        parts.clean()
    return summary


def _compare_lists(cache: Path, share: Share) -> None:
    """Tell if another part was cut from another list: then the parts do not fit together."""
    for report in refusals.read(cache):
        if report.of == share.part.of and report.plan != share.plan:
            log.warning(
                "part %d/%d was cut from another list of utterances (%d there, %d here), so some "
                "may be in no part. Make one list, 'python -m data scan CORPUS -o all.jsonl', and "
                "give it to every part",
                report.number, report.of, report.utterances, len(share.whole),
            )  # fmt: skip
            return
