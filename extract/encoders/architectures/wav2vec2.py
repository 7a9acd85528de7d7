"""wav2vec 2.0 (Baevski et al. 2020), and XLS-R (Babu et al. 2022), which is a wav2vec 2.0 of many
languages.
"""

from extract.encoders.architecture import Architecture


class Wav2Vec2(Architecture):
    """The layout that the others are variants of."""

    model_types = ("wav2vec2",)


ARCHITECTURE = Wav2Vec2()
