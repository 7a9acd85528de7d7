"""wav2vec 2.0 (Baevski et al. 2020), and the multilingual XLS-R (Babu et al. 2022) and MMS (Pratap
et al. 2023)."""

from extract.encoders.architecture import Architecture


class Wav2Vec2(Architecture):
    """Has the layout of the base class."""

    model_types = ("wav2vec2",)
    examples = ("facebook/wav2vec2-base", "facebook/wav2vec2-xls-r-300m", "facebook/mms-300m")


ARCHITECTURE = Wav2Vec2()
