"""What the CPU is and can do, without importing a library that computes."""

import os
import platform
from functools import cache
from pathlib import Path

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


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


def multiplies_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16, and oneDNN may use it (``ONEDNN_MAX_CPU_ISA``)."""
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


def may_have_gpu() -> bool:
    """Whether torch may find a GPU; False if this machine has no driver for one."""
    drivers = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/nvhost-gpu")
    return platform.system() != "Linux" or any(map(os.path.exists, drivers))
