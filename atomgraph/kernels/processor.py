"""What this processor can do, as far as machine code depends on it."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

X86_64_V3 = frozenset({"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
X86_64_V4 = X86_64_V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
MACHINES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64"}
LEVELS = {  # by machine, the highest first: name, -march, features that Linux must report
    "x86-64": (("avx512", "x86-64-v4", X86_64_V4), ("avx2", "x86-64-v3", X86_64_V3)),
    "arm64": (("neon", "armv8-a", frozenset[str]()),),
}


def machine() -> str:
    """``x86-64``, ``arm64``, or what the system calls it."""
    name = platform.machine().lower()
    return MACHINES.get(name, name)


@cache
def features() -> frozenset[str]:
    """Instruction sets as Linux names them; empty where it does not tell."""
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"flags", "Features"}:
                return frozenset(value.split())
    return frozenset()


def usable_levels() -> list[str]:
    """Names of the shipped instruction sets that run here, the best first."""
    return [name for name, _, needed in LEVELS.get(machine(), ()) if needed <= features()]
