"""Memory that an evaluation has used stays with the process for the next one."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt(3) of glibc


def keep_memory() -> bool:
    """Have the C library keep what is freed, for the rest of the process; False where it cannot be told (it is not glibc).

    It gives large arrays back to the system, which clears their pages when they come again: of silicon with 10,000 atoms that
    is a quarter of an evaluation's CPU time, and threads wait for one another there. The process holds its peak of memory then.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(_TRIM_THRESHOLD, -1)) and bool(mallopt(_MMAP_MAX, 0))
