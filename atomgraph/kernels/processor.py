"""The architecture and the instruction sets of the local processor."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from atomgraph.old_names import old_names_of

X86_64_V3 = frozenset({"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
X86_64_V4 = X86_64_V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
ARCHITECTURES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64"}
#: Instruction sets of prebuilt libraries for each architecture, the fastest first. Each entry: name of the instruction set,
#: value of the compiler's -march, and required flags in /proc/cpuinfo.
LEVELS = {
    "x86-64": (("avx512", "x86-64-v4", X86_64_V4), ("avx2", "x86-64-v3", X86_64_V3)),
    "arm64": (("neon", "armv8-a", frozenset[str]()),),
}


def architecture() -> str:
    """Return the architecture of the processor: ``x86-64``, ``arm64``, or the name that the system reports."""
    name = platform.machine().lower()
    return ARCHITECTURES.get(name, name)


@cache
def instruction_sets() -> frozenset[str]:
    """Return the instruction sets of the processor, the flags in Linux's /proc/cpuinfo; empty on other systems."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"flags", "Features"}:
                return frozenset(value.split())
    return frozenset()


def usable_levels() -> list[str]:
    """Return the names in ``LEVELS`` of the instruction sets that this processor supports, the fastest first."""
    return [name for name, _, required in LEVELS.get(architecture(), ()) if required <= instruction_sets()]


__getattr__ = old_names_of(__name__)
