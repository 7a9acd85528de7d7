"""The commands of ``python -m classify``: options and printing."""

COMMANDS = {  # name → module, and what it does
    "": ("classify.commands.evaluate", "cross-validate a head on a cache"),
    "probe": (
        "classify.commands.probe",
        "every layer: which knows what, and is the difference real",
    ),
    "compare": (
        "classify.commands.compare",
        "several heads under the same folds, and the best of them",
    ),
    "train": ("classify.commands.train", "fit one head on everything in a cache and save it"),
    "predict": ("classify.commands.predict", "emotions of new recordings, by a saved head"),
    "export": ("classify.commands.export", "a saved head and its encoder as one ONNX file"),
    "serve": ("classify.commands.serve", "a saved head as a page in the browser"),
}
