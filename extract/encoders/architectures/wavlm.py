"""WavLM (Chen et al. 2022).

The first layer computes the relative position bias of all layers, so `PooledEncoder` always runs
the first layer.
"""

from extract.encoders.architecture import Architecture


class WavLM(Architecture):
    """Has layers that return a tuple of hidden states and position bias."""

    model_types = ("wavlm",)


ARCHITECTURE = WavLM()
