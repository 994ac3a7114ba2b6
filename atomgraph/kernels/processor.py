"""The architecture and instruction sets of this processor."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

X86_64_V3 = frozenset({"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
X86_64_V4 = X86_64_V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
MACHINES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64"}
LEVELS = {  # by architecture, the best first: name, -march, features that Linux must report
    "x86-64": (("avx512", "x86-64-v4", X86_64_V4), ("avx2", "x86-64-v3", X86_64_V3)),
    "arm64": (("neon", "armv8-a", frozenset[str]()),),
}


def machine() -> str:
    """``x86-64``, ``arm64``, or the system's name."""
    name = platform.machine().lower()
    return MACHINES.get(name, name)


@cache
def features() -> frozenset[str]:
    """Instruction sets, by their names in Linux; empty for other systems."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"flags", "Features"}:
                return frozenset(value.split())
    return frozenset()


def usable_levels() -> list[str]:
    """Names of the prebuilt instruction sets that this processor has, the best first."""
    return [name for name, _, needed in LEVELS.get(machine(), ()) if needed <= features()]
