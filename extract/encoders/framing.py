"""Frames of convolutions, and steps of sequences. This module does not import torch."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Count = TypeVar("Count", int, "torch.Tensor")
Sizes = Sequence[tuple[int, int]]  # (kernel, stride) of each convolution

BLOCK_FRAMES = 50  # one second; the output of the first layer of wav2vec2-base has 6.5 MB


def frames(samples: Count, convolutions: Sizes) -> Count:
    """Number of frames that the convolutions make of a number of samples."""
    for kernel, stride in convolutions:
        samples = (samples - kernel) // stride + 1
    return samples


def samples_under(count: int, convolutions: Sizes) -> int:
    """Number of samples under `count` consecutive frames."""
    for kernel, stride in reversed(convolutions):
        count = (count - 1) * stride + kernel
    return count


def blocks(samples: int, convolutions: Sizes) -> Iterator[slice]:
    """Yield the samples of each block of at most `BLOCK_FRAMES` frames.

    The outputs of a layer then fit into the processor's cache, and ten minutes need as much memory
    as one second.
    """
    field = samples_under(1, convolutions)
    hop = samples_under(2, convolutions) - field
    count = frames(samples, convolutions)
    for first in range(0, count, BLOCK_FRAMES):
        last = min(first + BLOCK_FRAMES, count) - 1
        yield slice(first * hop, last * hop + field)


def valid_frames(counts: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Mark the frames of each utterance: (utterance, frame)."""
    return np.arange(max(counts)) < np.array(counts)[:, None]


def steps_of(frames: int, steps_per_frame: float) -> npt.NDArray[np.int64]:
    """Step ⌊f · steps_per_frame⌋ of each frame f: (frame,)."""
    return (np.arange(frames) * steps_per_frame).astype(np.int64)


def steps_in(frames: int, steps_per_frame: float) -> int:
    """Number of steps of an utterance."""
    return int((frames - 1) * steps_per_frame) + 1


def step_of_frames(counts: Sequence[int], steps_per_frame: float) -> npt.NDArray[np.float32]:
    """Assign frames to steps: (utterance, step, frame) float32, 1 if the frame is in the step.

    Frame f is in step ⌊f · steps_per_frame⌋, so the last step of an utterance may be shorter.

    Args:
        counts: (utterance,) number of frames.
        steps_per_frame: at most 1.
    """
    step = steps_of(max(counts), steps_per_frame)
    member = np.arange(step[-1] + 1)[:, None] == step
    return (member & valid_frames(counts)[:, None]).astype(np.float32)
