"""``python -m classify``: score, train and use heads on cached embeddings."""

import sys

from classify.commands import COMMANDS
from data.console import dispatch

if __name__ == "__main__":
    sys.exit(dispatch("classify", "Emotion from cached embeddings.", COMMANDS))
