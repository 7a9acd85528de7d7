"""Command-line basics of all commands: dispatch, output, logging, errors and exit status.

Names and labels may contain terminal sequences and line breaks. All output therefore goes through
`show`, `show_json`, `show_csv` or the log, which escape control characters. The linter forbids
``print`` in other modules.

Exit status: 0 success; 1 failure; 2 wrong usage; 3 success, but some files were refused; 74 the
disk is full, or another I/O error; 130 and 143 stopped by SIGINT and SIGTERM.
"""

import argparse
import codecs
import contextlib
import errno
import gc
import importlib
import io
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import NoReturn

from data import spreadsheet
from data.errors import Wav2emoError
from data.text import CONTROLS, escaped
from data.text import Lines as Lines  # for modules that import both from here
from data.text import lines as lines

SOME_REFUSED = 3
IO_ERROR = 74  # EX_IOERR of sysexits.h

RAISING = ("strict", "surrogateescape")  # error handlers that raise for missing characters

log = logging.getLogger("wav2emo")


class Stopped(KeyboardInterrupt):
    """SIGTERM was received; raised in the main thread, as Python does for SIGINT."""


class Parser(argparse.ArgumentParser):
    """The parser of a command. It escapes control characters in its error messages."""

    def error(self, message: str) -> NoReturn:
        """Print usage and `message`, and exit."""
        super().error(escaped(message))

    def arguments(self, argv: Sequence[str]) -> argparse.Namespace:
        """Add ``-v`` and ``-q``, which every command has, parse `argv`, and start the log."""
        group = self.add_mutually_exclusive_group()
        group.add_argument(
            "-v", "--verbose", action="store_true", help="print more messages, and tracebacks"
        )
        group.add_argument(
            "-q", "--quiet", action="store_true", help="print only errors and results"
        )
        found = self.parse_args(argv)
        configure_logging(found.verbose, found.quiet)
        return found


class Print(argparse.Action):
    """Prints the text that the function `const` makes, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        """Print the text."""
        show(self.const())
        parser.exit()


def dispatch(package: str, description: str, commands: Mapping[str, tuple[str, str]]) -> int:
    """Run ``python -m package COMMAND …`` and return its exit status.

    Args:
        package: name of the package, for usage lines.
        description: one line for ``--help``.
        commands: command → (module with its ``main(argv)``, one line of help). Only the module of
            the command is imported. The command ``""`` is the default.
    """
    argv = sys.argv[1:]
    verbose = "-v" in argv or "--verbose" in argv
    return run(lambda: _command(package, description, commands, argv), verbose)


def _command(
    package: str, description: str, commands: Mapping[str, tuple[str, str]], argv: list[str]
) -> int:
    if argv and argv[0] in commands and argv[0]:
        module, argv = commands[argv[0]][0], argv[1:]
    elif "" in commands and (not argv or argv[0].startswith("-")):
        module = commands[""][0]
    else:
        listing = "\n".join(f"  {name:9} {line}" for name, (_, line) in commands.items() if name)
        parser = Parser(
            prog=f"python -m {package}",
            description=description,
            epilog=f"commands:\n{listing}\n\n'python -m {package} COMMAND --help' lists options.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("command", choices=[c for c in commands if c], metavar="COMMAND")
        parser.parse_args(argv[:1])
        raise AssertionError("argparse accepts only the commands above")
    return importlib.import_module(module).main(argv)


def run(command: Callable[[], int], verbose: bool = False) -> int:
    """Call `command`; report an error as one line on standard error and as the exit status."""
    signal.signal(signal.SIGTERM, _stop)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in RAISING:
        sys.stdout.reconfigure(errors="replace")  # standard error replaces by default
    try:
        status = command()
        sys.stdout.flush()
        return status
    except Stopped:
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        complain("interrupted")
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of the output, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Wav2emoError as error:
        if verbose:
            complain(traceback.format_exc())
        complain(f"error: {escaped(error.args[0] if error.args else '')}")
        return error.exit_status
    except OSError as error:
        if verbose:
            complain(traceback.format_exc())
        where = f": {error.filename}" if error.filename else ""
        hint = ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            hint = "; free some space and run the same command again: finished work is kept"
        complain(escaped(f"error: {error.strerror or error}{where}{hint}"))
        return IO_ERROR


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """A context for large imports. Garbage collection would take an eighth of their time and find
    nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def show(*texts: object) -> None:
    """Print each text on its own line; only `Lines` may contain line breaks."""
    for text in texts:
        print(escaped(text), flush=True)


def complain(text: str) -> None:
    """Print to standard error with line breaks; names in `text` must be `escaped`."""
    print(lines(text.rstrip("\n").split("\n")), file=sys.stderr, flush=True)


def show_json(value: object, indent: int | None = None) -> None:
    """Print a value as JSON without loss.

    Control characters, and characters that the encoding of the output lacks, are JSON escapes.
    """
    utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    text = json.dumps(value, indent=indent, ensure_ascii=not utf8)
    for line in text.split("\n"):  # JSON escapes line breaks in strings
        print(CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", line), flush=False)
    sys.stdout.flush()


def show_csv(rows: Iterable[Iterable[object]]) -> None:
    """Print rows of cells as CSV, each row as soon as `rows` yields it; see `data.spreadsheet`.

    Characters that the encoding of the output lacks are escaped, and on a terminal also control
    characters.
    """
    cell = escaped if sys.stdout.isatty() else _encodable
    for row in rows:
        texts = [cell(value) if isinstance(value, str) else value for value in row]
        spreadsheet.write(sys.stdout, [texts])
        sys.stdout.flush()


def _encodable(text: str) -> str:
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def configure_logging(verbose: bool, quiet: bool) -> None:
    """Write log messages to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return escaped(prefix + record.getMessage())


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped
