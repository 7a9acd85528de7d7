"""Checksums and fingerprints of recordings, without embedding them."""

from collections.abc import Sequence

import pandas as pd

from data.errors import AudioError, CorpusError
from data.utterance import Utterance
from extract import audio
from extract.decoding import Refusal, ahead
from extract.fingerprint import fingerprint


def recordings(
    utterances: Sequence[Utterance], threads: int = 2
) -> tuple[pd.DataFrame, list[Refusal]]:
    """The columns of `extract.encoders.trained_on` but for the role, and what cannot be read.

    Raises:
        CorpusError: nothing can be read.
    """

    def look(utterance: Utterance) -> tuple[str, ...] | Refusal:
        try:
            found = audio.read(utterance.file, utterance.start, utterance.end)
        except (AudioError, OSError) as error:
            return Refusal(utterance, str(error))
        bits = fingerprint(found.waveform)
        return utterance.id, found.sha256, bits, utterance.corpus, utterance.speaker or ""

    found = list(ahead(look, utterances, threads))
    rows = [one for one in found if not isinstance(one, Refusal)]
    if not rows:
        raise CorpusError(f"none of {len(utterances)} recordings can be read")
    columns = ["id", "sha256", "fingerprint", "corpus", "speaker"]
    refused = [one for one in found if isinstance(one, Refusal)]
    return pd.DataFrame(rows, columns=columns), refused
