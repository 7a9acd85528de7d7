"""Degrade recordings: noise, rooms, telephones, codecs, and small changes.

The same utterance in the same condition gives the same samples on every machine, up to rounding and
the versions of codecs.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.condition import Condition, clean_id
from data.errors import AudioError, UsageError
from data.utterance import Utterance
from extract.degradations.degradation import Given, Waveform
from extract.degradations.noise import BABBLE
from extract.degradations.registry import DEGRADATIONS
from extract.degradations.sources import folder, others, voices
from extract.degradations.specs import Spec, expand

__all__ = ["conditions", "degrade"]


def conditions(
    specs: Sequence[str], utterances: Sequence[Utterance], noise: Path | None = None
) -> list[list[Condition]]:
    """The conditions of some specs and sets, each for each utterance.

    Utterances of a corpus share an object.

    Args:
        specs: such as ``noise:20:babble``, or the name of a set, see `extract.degradations.specs`.
        utterances: clean ones, of one or several corpora.
        noise: folder of recordings, for conditions of noise.

    Raises:
        UsageError: a spec is unknown, its level is impossible, or its noise is missing.
    """
    wanted = expand(specs, noise)
    recorded = None
    if noise is not None:
        if not any(spec.of_folder for spec in wanted):
            raise UsageError(f"--noise {noise}: no condition uses it; add --degrade noise:20")
        recorded = folder(noise)
    corpora: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        corpora[utterance.corpus].append(utterance)
    babble = any(spec.kind == BABBLE for spec in wanted)
    spoken = {corpus: voices(of) if babble else None for corpus, of in corpora.items()}

    def condition(spec: Spec, corpus: str) -> Condition:
        source = spoken[corpus] if spec.kind == BABBLE else recorded if spec.of_folder else None
        content = [DEGRADATIONS[spec.degradation].version, spec.name]
        content += source.identity if source else ()
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        return Condition(spec.name, digest, source.noises if source else ())

    made = []
    for spec in wanted:
        of_corpus = {corpus: condition(spec, corpus) for corpus in corpora}
        made.append([of_corpus[utterance.corpus] for utterance in utterances])
    return made


def degrade(waveform: Waveform, utterance: Utterance) -> tuple[Waveform, float | None]:
    """Degrade a (sample,) waveform at 16 kHz by the condition of its utterance.

    Random numbers depend on the clean utterance, the degradation and its kind, but not on its
    level: levels have the same noise, scaled.

    Returns:
        The degraded (sample,) waveform, and the level that was achieved, in the unit of the
        condition; None: it has no level.

    Raises:
        AudioError: the recording cannot be degraded so.
    """
    assert utterance.condition is not None
    spec = Spec.of_name(utterance.condition.name)
    seed = json.dumps([clean_id(utterance.id), spec.degradation, spec.kind])
    random = np.random.default_rng(np.frombuffer(hashlib.sha256(seed.encode()).digest(), np.uint32))
    noises = utterance.condition.noises
    if spec.kind == BABBLE:
        noises = others(noises, utterance)
    given = Given(random, spec.level, spec.kind, noises)
    try:
        return DEGRADATIONS[spec.degradation].apply(waveform, given)
    except OSError as error:
        raise AudioError(f"{error.filename}: {error.strerror or error}") from None
