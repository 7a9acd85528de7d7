"""``python -m classify``: score heads on cached embeddings, train one, use it on new audio."""

import sys

from data.console import dispatch

COMMANDS = {
    "": ("classify.evaluate", "cross-validate a head on a cache"),
    "probe": (
        "classify.probe.command",
        "every layer: which knows what, and is the difference real",
    ),
    "compare": ("classify.compare.command", "several heads under the same folds, and who is best"),
    "train": ("classify.train", "fit one head on everything in a cache and save it"),
    "predict": ("classify.predict.command", "emotions of new recordings, by a saved head"),
    "export": ("classify.export.command", "a saved head and its encoder as one ONNX file"),
    "serve": ("classify.serve.command", "a saved head as a page in the browser"),
}

if __name__ == "__main__":
    sys.exit(dispatch("classify", "Emotion from cached embeddings.", COMMANDS))
