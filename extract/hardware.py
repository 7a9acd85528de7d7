"""The CPU and the devices of this machine. torch is imported only where it is needed."""

import logging
import os
import platform
from functools import cache
from pathlib import Path

from data.errors import UsageError

log = logging.getLogger("wav2emo")

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
GPU_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/nvhost-gpu")


@cache
def _flags() -> dict[str, str]:
    """First value of each field of Linux's description of the CPUs."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def cpu_name() -> str:
    """Name of the CPU."""
    return _flags().get("model name") or platform.processor() or platform.machine()


def pick_device(asked: str) -> str:
    """Select the device for ``--device``: ``auto`` is CUDA, else Apple's GPU, else the CPU.

    Raises:
        UsageError: torch does not have the device.
    """
    may_have_gpu = platform.system() != "Linux" or any(map(os.path.exists, GPU_DRIVERS))
    if asked == "cpu" or (asked == "auto" and not may_have_gpu):
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


def multiplies_bfloat16(device: str = "cpu") -> bool:
    """Whether the hardware multiplies bfloat16.

    On a CPU, oneDNN must be allowed to use it (``ONEDNN_MAX_CPU_ISA``).
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_capability(device)[0] >= 8
    if device != "cpu":
        return False
    if "flags" not in _flags():  # not Linux on x86
        return _torch_multiplies_bfloat16()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    allowed = limit in ("ALL", "DEFAULT") or limit.startswith(("AVX512", "AVX10"))
    return allowed and not BFLOAT16_FLAGS.isdisjoint(_flags()["flags"].split())


def _torch_multiplies_bfloat16() -> bool:
    import torch

    flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    native = any(flags.get(flag) for flag in BFLOAT16_FLAGS)
    return bool(native and torch.ops.mkldnn._is_mkldnn_bf16_supported())
