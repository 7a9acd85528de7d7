"""Inputs of exported graphs."""

import numpy as np


def inputs(waveforms: list[np.ndarray], padding: int = 0) -> dict[str, np.ndarray]:
    """A padded batch, as the graph takes it."""
    lengths = np.array([len(waveform) for waveform in waveforms])
    signal = np.zeros((len(waveforms), lengths.max() + padding), np.float32)
    for row, waveform in zip(signal, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return {"signal": signal, "lengths": lengths}
