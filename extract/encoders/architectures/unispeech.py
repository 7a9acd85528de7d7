"""UniSpeech (Wang et al. 2021) and UniSpeech-SAT (Chen et al. 2022)."""

from extract.encoders.architecture import Architecture


class UniSpeech(Architecture):
    """Has the layout of the base class."""

    model_types = ("unispeech", "unispeech-sat")
    examples = ("microsoft/unispeech-large-1500h-cv", "microsoft/unispeech-sat-base-plus")


ARCHITECTURE = UniSpeech()
