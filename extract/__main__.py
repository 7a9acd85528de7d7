"""``python -m extract CORPUS…``, and the commands ``finetune`` and ``annotate``."""

import importlib
import sys

from data.console import run

COMMANDS = {
    "annotate": "extract.commands.annotate",
    "finetune": "finetune.command",  # by name, since it imports this package
}


def main(argv: list[str]) -> int:
    """Run a command and return its exit status."""
    named = argv[0] if argv else ""
    module = importlib.import_module(COMMANDS.get(named, "extract.commands.extract"))
    status: int = module.main(argv[1:] if named in COMMANDS else argv)
    return status


if __name__ == "__main__":
    sys.exit(run(lambda: main(sys.argv[1:]), verbose={"-v", "--verbose"} & set(sys.argv) != set()))
