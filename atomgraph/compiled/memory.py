"""Reuse of freed memory by the process, which makes evaluations faster."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # numbers of two settings, see mallopt(3) of glibc


def keep_memory() -> bool:
    """Let glibc keep freed memory in the process instead of returning it to the system.

    By default, glibc returns large arrays to the system, and the system clears their pages before it reuses them. For 10,000
    silicon atoms, this takes a quarter of the CPU time of an evaluation, and threads wait for each other. After this call,
    the memory of the process does not shrink below its peak.

    Returns:
        Whether the setting was changed; False for C libraries other than glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(_TRIM_THRESHOLD, -1)) and bool(mallopt(_MMAP_MAX, 0))
