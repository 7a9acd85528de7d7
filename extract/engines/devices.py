"""Devices that torch computes on. This module imports torch only where there may be a GPU."""

import logging

from data.errors import UsageError
from extract import cpu

log = logging.getLogger("wav2emo")


def pick_device(asked: str) -> str:
    """Select the device for ``--device``: ``auto`` is CUDA, else Apple's GPU, else the CPU.

    Raises:
        UsageError: torch does not have the device.
    """
    if asked == "cpu" or (asked == "auto" and not cpu.may_have_gpu()):
        return "cpu"
    import torch  # late: it takes seconds

    if asked == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        log.debug("%s", error)
        raise UsageError(
            f"--device {asked}: torch has no such device on this machine; use cpu (-v shows why)"
        ) from None
    return asked


def multiplies_bfloat16(device: str) -> bool:
    """Whether the hardware multiplies bfloat16, and on a CPU whether oneDNN may use it."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_capability(device)[0] >= 8
    return device == "cpu" and cpu.multiplies_bfloat16()
