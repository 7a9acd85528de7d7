"""What can go wrong, as one small hierarchy.

Every message says what was got, what was expected and what to do next, in a line or two. The
command line prints it and leaves with ``exit_status``; Python callers catch `Wav2emoError`.
"""


class Wav2emoError(Exception):
    """Base of every error that this project raises on purpose."""

    exit_status = 1


class UsageError(Wav2emoError):
    """What the caller asked for makes no sense: an unknown name, a path that is not there."""

    exit_status = 2


class CorpusError(UsageError):
    """No corpus, or not the one that was named, lies at a path."""


class AudioError(Wav2emoError):
    """One recording is refused: not audio, too long, too short, silent, damaged."""


class EncoderError(Wav2emoError):
    """A checkpoint cannot be found, read or trusted."""


class CacheError(Wav2emoError):
    """A cache file is missing, damaged, of another format or in use for something else."""


class RecipeMismatch(CacheError):
    """A cache was made by another recipe than the one asked for."""


class HeadError(Wav2emoError):
    """A head cannot learn from the utterances that it is given."""


class ModelError(Wav2emoError):
    """A trained head's folder is incomplete, altered or does not fit what it is used on."""


class SchedulerError(Wav2emoError):
    """A scheduler cannot be reached, or its workers cannot do what is asked of them."""
