"""Write utterances for other programs: audformat, Hugging Face and lhotse."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from data import corpora
from data.atomic import new_output
from data.errors import CorpusError
from data.scan import read_headers
from data.utterance import Utterance


def write(
    out: Path, name: str, utterances: Sequence[Utterance], copy: bool = False, quiet: bool = False
) -> None:
    """Write utterances to a new folder, of which `data.corpora.read` makes the same utterances.

    Args:
        out: the folder.
        name: one of ``audformat``, ``huggingface`` and ``lhotse``.
        utterances: what to write.
        copy: whether to copy the recordings into the folder; otherwise their absolute paths are
            written, and reading them needs ``--follow-links``.
        quiet: whether to show no progress.

    Raises:
        CorpusError: a recording is missing or unreadable, or the format cannot have an utterance.
        UsageError: the folder exists and is not empty.
    """
    files = {u.file: os.path.abspath(u.file) for u in utterances}
    if missing := [file for file in files if not file.is_file()]:
        raise CorpusError(f"{missing[0]}: missing, as are {len(missing)} of {len(files)} in all")
    module = corpora.module(name)
    with new_output(out) as folder:
        folder.mkdir()
        if copy:
            places = {u.file: _place(u) for u in utterances}
            if len(set(places.values())) < len(places):
                raise CorpusError("two recordings have the same corpus and path; leave one out")
            for file, place in places.items():
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, folder / place)
            files = places
        named = [files[utterance.file] for utterance in utterances]
        if name == "lhotse":
            headers = read_headers(files, quiet)
            if unreadable := [file for file, header in headers.items() if header is None]:
                raise CorpusError(f"{unreadable[0]}: not readable; lhotse needs rate and length")
            known = [header for u in utterances if (header := headers[u.file])]
            formats = [(header.frames, header.rate, header.channels) for header in known]
            module.write(folder, utterances, named, formats)
        else:
            module.write(folder, utterances, named)


def _place(utterance: Utterance) -> str:
    """Path of the copy of a recording."""
    place = os.path.normpath(os.path.join("audio", utterance.corpus, utterance.path))
    if not place.startswith("audio" + os.sep):
        raise CorpusError(f"{utterance.id}: its path {utterance.path} leaves the corpus")
    return place.replace(os.sep, "/")
