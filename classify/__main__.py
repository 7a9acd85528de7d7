"""``python -m classify``: score heads on cached embeddings, train one, use it on new audio."""

import sys

from classify.commands import COMMANDS
from data.console import dispatch

if __name__ == "__main__":
    sys.exit(dispatch("classify", "Emotion from cached embeddings.", COMMANDS))
