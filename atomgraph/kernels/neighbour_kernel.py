"""The neighbour list's kernel, called with numpy arrays."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

import numpy as np

from atomgraph.kernels.prebuilt import library

NOT_A_STRUCTURE = -1  # the kernel wants the structure to be looked at first
_SHARED = 2000  # atoms; fewer are not worth waking a thread for


class Pairs(NamedTuple):
    """Pairs in the order of a graph's edges.

    Args:
        edge_index: (2, n_edges) int64, neighbours and centres, sorted by centre.
        shift: (n_edges, 3) int32.
        close: Two atoms may be on one spot.
    """

    edge_index: np.ndarray
    shift: np.ndarray
    close: bool


def available() -> bool:
    """Whether the kernel can be had here; where not, that is explained once."""
    return _functions() is not None


def pairs(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    cutoff: float,
    *,
    sign: int = 1,
    checked: bool = False,
    n_threads: int = 1,
) -> Pairs | None:
    """All pairs nearer than the cutoff, an atom's own images too; each shift times ``sign``.

    None where the structure should be checked first (numbers that are not finite, cells without volume, more neighbours than
    memory); with ``checked`` only where it cannot be done.

    Args:
        positions: (n_atoms, 3).
        cell: (3, 3); vectors of open directions may be anything.
        pbc: (3,) bool.
        cutoff: Positive.

    Raises:
        MemoryError: .
    """
    functions = _functions()
    if functions is None:
        return None
    make, write = functions
    n_atoms = len(positions)
    n_threads = n_threads if n_atoms > _SHARED else 1
    here = np.asarray(positions, dtype=np.float64).tobytes()  # bytes are handed over in no time, arrays in microseconds
    box, repeats = np.asarray(cell, dtype=np.float64).tobytes(), np.asarray(pbc, dtype=np.bool_).tobytes()
    n_edges, close = ctypes.c_int64(), ctypes.c_int32()
    handle = make(n_threads, n_atoms, here, box, repeats, cutoff, checked, ctypes.byref(n_edges), ctypes.byref(close))
    if handle is None:
        if n_edges.value == NOT_A_STRUCTURE:
            return None
        raise MemoryError(f"no memory for the neighbours of {n_atoms} atoms within {cutoff} Å")
    try:
        edge_index, shift = np.empty((2, n_edges.value), np.int64), np.empty((n_edges.value, 3), np.int32)
    except MemoryError:
        write(1, handle, None, None, 1)
        raise
    write(n_threads, handle, _at(edge_index), _at(shift), sign)
    return Pairs(edge_index, shift, bool(close.value))


def _at(array: np.ndarray) -> int | None:
    """Where an array of our own begins, in a third of the time that ``array.ctypes.data`` takes."""
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data)) if array.size else None


class _Functions(NamedTuple):
    make: ctypes._NamedFuncPointer
    write: ctypes._NamedFuncPointer


@cache
def _functions() -> _Functions | None:
    found = library("neighbours")
    if found is None:
        return None
    number, pointer, count = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
    functions = _Functions(found.neighbours_make, found.neighbours_write)
    functions.make.argtypes = [number, count, pointer, pointer, pointer, ctypes.c_double, number, pointer, pointer]
    functions.make.restype = pointer
    functions.write.argtypes = [number, pointer, pointer, pointer, ctypes.c_int32]
    functions.write.restype = None
    return functions
