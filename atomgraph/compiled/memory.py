"""Keeps freed memory in the process, for the next evaluation."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt(3) of glibc


def keep_memory() -> bool:
    """Tell glibc to keep freed memory for the rest of the process.

    By default, glibc returns large arrays to the system, which clears their pages before it hands them out again. For 10,000
    atoms of silicon this takes a quarter of the CPU time of an evaluation, and threads wait for one another. The process
    then keeps its peak of memory.

    Returns:
        False for other C libraries.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(_TRIM_THRESHOLD, -1)) and bool(mallopt(_MMAP_MAX, 0))
