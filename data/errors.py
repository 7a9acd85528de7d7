"""Exceptions of this project.

A message states the actual value, the expected value and the next step, in one or two lines. The
command line prints it and exits with ``exit_status``.
"""


class Wav2emoError(Exception):
    """Base class of the exceptions of this project."""

    exit_status = 1


class UsageError(Wav2emoError):
    """An argument is invalid: an unknown name, or a path that does not exist."""

    exit_status = 2


class CorpusError(UsageError):
    """A path contains no corpus, or another corpus than the named one."""


class AudioError(Wav2emoError):
    """A recording is refused: not audio, too long, too short, silent or damaged."""


class EncoderError(Wav2emoError):
    """A checkpoint cannot be found, read or trusted."""


class CacheError(Wav2emoError):
    """A cache is missing, damaged, or has another format."""


class RecipeMismatch(CacheError):
    """The recipe of a cache differs from the requested recipe."""


class HeadError(Wav2emoError):
    """A head cannot be fitted to the given utterances."""


class ModelError(Wav2emoError):
    """The folder of a model is incomplete or damaged, or does not fit its input."""


class SchedulerError(Wav2emoError):
    """A scheduler cannot be reached, or its workers cannot be used."""
