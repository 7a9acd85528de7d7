"""Processes that begin with modules imported, because one that has imported them is forked."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER = """
import importlib, json, os, sys, traceback
for name in sys.argv[1:]:
    importlib.import_module(name)
for line in sys.stdin:
    children = []
    for code, arguments, environment, errors in json.loads(line):
        if child := os.fork():
            children.append(child)
            continue
        status = 1
        try:
            with open(errors, "wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.environ.update(environment)
            sys.argv = ["-c", *arguments]
            exec(code, {"__name__": "__main__"})
            status = 0
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(json.dumps(codes), flush=True)
"""


class Forks:
    """Runs programs, each in a process of its own with one thread."""

    def __init__(self, folder: Path, *modules: str) -> None:
        self.folder = folder
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER, *modules],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(
        self, code: str, arguments: Sequence[str], *environments: Mapping[str, str]
    ) -> tuple[list[int], str]:
        """Run a program once in each environment, at the same time.

        Returns:
            Exit statuses, negative for signals, and all that was printed.
        """
        files = [self.folder / str(number) for number in range(len(environments or [{}]))]
        asked = [
            (code, [*arguments], dict(environment), str(file))
            for environment, file in zip(environments or [{}], files, strict=True)
        ]
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(asked) + "\n")
        self.server.stdin.flush()
        codes = json.loads(self.server.stdout.readline())
        return codes, "".join(file.read_text(errors="replace") for file in files)

    def close(self) -> None:
        """End the process that is forked."""
        with self.server:
            pass
