"""The features of the convolutions as sequences, one step a frame, for fine-tuning."""

import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from extract.encoders.encoder import Encoder
from extract.encoders.pooled import pool
from extract.engines.base import Pooled, as_pooled
from extract.engines.torch import TorchEngine, disable_tf32
from extract.recipe import Request


class FeatureEngine(TorchEngine):
    """Computes the outputs of an encoder's convolutions; see `Engine`.

    They are stored as sequences of "layer" 0 of a recipe that names the stage.
    """

    def __init__(self, encoder: Encoder, device: str = "cpu") -> None:
        own = replace(encoder, model=copy.deepcopy(encoder.model))  # the other stays where it is
        rate = encoder.identity.frame_rate
        super().__init__(
            own, Request("0", ("mean",), rate, "0", "float32", "torch", baselines=()), device
        )
        self.recipe |= {
            "stage": "features",
            "layer_convention": "0: output of the convolutions",
        }

    @torch.inference_mode()
    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """See `Engine.embed`."""
        disable_tf32()
        batch = self.encoder.batch(waveforms, self.device)
        features = self.encoder.features(batch)
        pooled = pool(features, batch.valid, self.encoder.poolings)
        outputs = (values[None].cpu().numpy() for values in (pooled, features))
        return as_pooled(self.recipe, batch.valid.sum(1).tolist(), 1.0, *outputs)
