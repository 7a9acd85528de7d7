"""Command lines of ``python -m classify``."""

COMMANDS = {  # name → module, and what it does
    "": ("classify.commands.evaluate", "cross-validate a head on a cache"),
    "probe": (
        "classify.commands.probe",
        "probe every layer, with controls and tests",
    ),
    "compare": (
        "classify.commands.compare",
        "compare several heads under the same folds",
    ),
    "transfer": (
        "classify.commands.transfer",
        "train on one corpus and test on another: the matrix of corpora or languages",
    ),
    "robustness": (
        "classify.commands.robustness",
        "test in degraded speech: noise, rooms, telephones, codecs",
    ),
    "fairness": (
        "classify.commands.fairness",
        "compare groups of speakers, such as by sex or age",
    ),
    "train": ("classify.commands.train", "fit one head on all of a cache and save it"),
    "predict": ("classify.commands.predict", "predict recordings or a stream with a saved head"),
    "export": ("classify.commands.export", "write a saved head and its encoder to one ONNX file"),
    "serve": ("classify.commands.serve", "serve a saved head as a page and an HTTP endpoint"),
}
