"""``python -m extract CORPUS…``: see `extract.commands.extract`."""

import sys

from data.console import run
from extract.commands.extract import main

if __name__ == "__main__":
    sys.exit(run(lambda: main(sys.argv[1:]), verbose={"-v", "--verbose"} & set(sys.argv) != set()))
