"""The thin face that all commands share: dispatch, logging, errors and exit status.

Exit status: 0 all done; 1 failed; 2 wrong usage; 3 done, but some files were refused; 74 disk full
or another I/O error; 130 and 143 stopped by SIGINT and SIGTERM.
"""

import argparse
import errno
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from data.errors import Wav2emoError

SOME_REFUSED = 3
IO_ERROR = 74  # EX_IOERR of sysexits.h

log = logging.getLogger("wav2emo")


class Stopped(KeyboardInterrupt):
    """SIGTERM, raised in the main thread just as Python raises SIGINT."""


def common_options(parser: argparse.ArgumentParser) -> None:
    """Add ``-v`` and ``-q``, which every command has."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-v", "--verbose", action="store_true", help="say more; show tracebacks")
    group.add_argument("-q", "--quiet", action="store_true", help="only errors and results")


def dispatch(package: str, description: str, commands: Mapping[str, tuple[str, str]]) -> int:
    """Run ``python -m package COMMAND …`` and return its exit status.

    Args:
        package: name of the package, for usage lines.
        description: one line, shown by ``--help``.
        commands: command → (module that holds its ``main(argv)``, one line of help). Only the
            module of the command that runs is imported. The command ``""`` runs when none is named.
    """
    argv = sys.argv[1:]
    if argv and argv[0] in commands and argv[0]:
        module, argv = commands[argv[0]][0], argv[1:]
    elif "" in commands and (not argv or argv[0].startswith("-")):
        module = commands[""][0]
    else:
        listing = "\n".join(f"  {name:9} {line}" for name, (_, line) in commands.items() if name)
        parser = argparse.ArgumentParser(
            prog=f"python -m {package}",
            description=description,
            epilog=f"commands:\n{listing}\n\n'python -m {package} COMMAND --help' tells more.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("command", choices=[c for c in commands if c], metavar="COMMAND")
        parser.parse_args(argv[:1])
        raise AssertionError("argparse accepts only the commands above")
    return run(lambda: importlib.import_module(module).main(argv), verbose=_asked("-v", argv))


def run(command: Callable[[], int], verbose: bool = False) -> int:
    """Call `command`, turning what it raises into one line on stderr and an exit status."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        status = command()
        sys.stdout.flush()
        return status
    except Stopped:
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Wav2emoError as error:
        if verbose:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        if verbose:
            traceback.print_exc()
        where = f": {error.filename}" if error.filename else ""
        hint = ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            hint = "; free some space and run the same command again: what is finished is kept"
        print(f"error: {error.strerror or error}{where}{hint}", file=sys.stderr)
        return IO_ERROR


def configure_logging(verbose: bool, quiet: bool) -> None:
    """Send the program's messages to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return prefix + record.getMessage()


def several(count: int, what: str) -> str:
    """A number of things in words.

    >>> several(1, "utterance"), several(1200, "utterance")
    ('1 utterance', '1,200 utterances')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _asked(flag: str, argv: Sequence[str]) -> bool:
    return flag in argv or "--verbose" in argv


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped
