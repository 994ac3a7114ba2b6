"""The kernel of the neighbour list, for numpy arrays."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

import numpy as np

from atomgraph.kernels.prebuilt import library

NOT_A_STRUCTURE = -1  # the structure must be checked first
_PARALLEL_FROM = 2000  # atoms; for fewer, starting threads takes longer than the work


class Pairs(NamedTuple):
    """Pairs in the order of a graph's edges.

    Attributes:
        edge_index: (2, n_edges) int64, neighbours and centres, sorted by centre.
        shift: (n_edges, 3) int32.
        close: Whether two atoms may coincide.
    """

    edge_index: np.ndarray
    shift: np.ndarray
    close: bool


def available() -> bool:
    """Whether the kernel can be used; one warning gives the reason if not."""
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
    """All pairs nearer than the cutoff, with periodic images, and shifts times ``sign``.

    Returns None if the structure must be checked first: numbers that are not finite, cells without volume, more neighbours
    than fit into memory. With ``checked``, only if there is no kernel.

    Args:
        positions: (n_atoms, 3).
        cell: (3, 3) Å; vectors of directions that are not periodic are ignored.
        pbc: (3,) bool.
        cutoff: Å, positive.
        sign: Factor of the shifts.
        checked: Whether the structure was checked.
        n_threads: Number of threads.

    Raises:
        MemoryError: If there are more edges than fit into memory.
    """
    functions = _functions()
    if functions is None:
        return None
    make, write = functions
    n_atoms = len(positions)
    n_threads = n_threads if n_atoms > _PARALLEL_FROM else 1
    points = np.asarray(positions, dtype=np.float64).tobytes()  # ctypes takes bytes faster than arrays
    box, repeats = np.asarray(cell, dtype=np.float64).tobytes(), np.asarray(pbc, dtype=np.bool_).tobytes()
    n_edges, close = ctypes.c_int64(), ctypes.c_int32()
    handle = make(n_threads, n_atoms, points, box, repeats, cutoff, checked, ctypes.byref(n_edges), ctypes.byref(close))
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
    """The address of a writable array, in a third of the time of ``array.ctypes.data``."""
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data)) if array.size else None


class _Functions(NamedTuple):
    make: ctypes._NamedFuncPointer
    write: ctypes._NamedFuncPointer


@cache
def _functions() -> _Functions | None:
    kernel = library("neighbours")
    if kernel is None:
        return None
    number, pointer, count = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
    functions = _Functions(kernel.neighbours_make, kernel.neighbours_write)
    functions.make.argtypes = [number, count, pointer, pointer, pointer, ctypes.c_double, number, pointer, pointer]
    functions.make.restype = pointer
    functions.write.argtypes = [number, pointer, pointer, pointer, ctypes.c_int32]
    functions.write.restype = None
    return functions
