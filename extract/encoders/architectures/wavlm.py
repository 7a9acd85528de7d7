"""WavLM (Chen et al. 2022).

Its first layer computes the relative position bias of all layers, so `PooledEncoder` never leaves
the first layer out.
"""

from extract.encoders.architecture import Architecture


class WavLM(Architecture):
    """Layers return a tuple of hidden states and position bias."""

    model_types = ("wavlm",)


ARCHITECTURE = WavLM()
