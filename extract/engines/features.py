"""The features of the convolutions as sequences, one step a frame, for fine-tuning."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from extract import cpu
from extract.encoders.convolutions import Convolutions
from extract.encoders.encoder import Encoder
from extract.encoders.framing import frames
from extract.engines.base import Pooled, as_pooled, provenance
from extract.engines.torch import CPU_BATCH_SECONDS, disable_tf32
from extract.recipe import Request, describe


class FeatureEngine:
    """Computes the outputs of an encoder's convolutions; see `Engine`.

    They are stored as sequences of "layer" 0 of a recipe that names the stage.
    """

    suggests_bfloat16 = False
    batch_seconds = CPU_BATCH_SECONDS
    streams = 1

    def __init__(self, encoder: Encoder, device: str = "cpu") -> None:
        identity = encoder.identity
        request = Request(
            "0", ("mean",), identity.frame_rate, "0", "float32", "torch", baselines=()
        )
        self.receptive_field = identity.receptive_field
        self.recipe: dict[str, Any] = describe(identity, request, engine="torch") | {
            "stage": "features",
            "layer_convention": "0: output of the convolutions",
        }
        self.provenance = provenance(f"{device} {cpu.cpu_name()}", identity.location)
        self._device = torch.device(device)
        model = copy.deepcopy(encoder.model)  # which stays where it is
        self._convolutions = Convolutions(model.feature_extractor).to(self._device)

    @torch.inference_mode()
    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """See `Engine.embed`."""
        disable_tf32()
        lengths = [len(waveform) for waveform in waveforms]
        counts = [frames(length, self._convolutions.sizes) for length in lengths]
        sequences = None
        for row, waveform in enumerate(waveforms):
            samples = torch.from_numpy(waveform).to(self._device)[None]
            kernels = self._convolutions.first_layer(samples, [len(waveform)])
            features = self._convolutions.in_blocks(samples, kernels)[0].cpu().numpy()
            if sequences is None:
                shape = (1, len(waveforms), max(counts), features.shape[1])
                sequences = np.zeros(shape, np.float32)
            sequences[0, row, : len(features)] = features
        assert sequences is not None
        means = [sequences[:, row, :count].mean(1) for row, count in enumerate(counts)]
        pooled = np.stack(means, axis=1)[:, None]  # (layer, pooling, utterance, dim)
        return as_pooled(self.recipe, counts, 1.0, pooled, sequences)
