"""The neighbour list of numpy arrays, by a compiled kernel."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

import numpy as np

from atomgraph.kernels.prebuilt import library

NOT_A_STRUCTURE = -1  # error code of the kernel: the structure must be checked first
#: Number of atoms above which several threads are used; with fewer atoms, starting threads takes longer than the work.
_PARALLEL_FROM = 2000


class Pairs(NamedTuple):
    """Pairs of atoms, in the order of the edges of a graph.

    Attributes:
        edge_index: Neighbours (row 0) and centres (row 1), sorted by centre, (2, n_edges) int64.
        shift: Numbers of cell vectors that are added to reach the neighbour's image, times ``sign``, (n_edges, 3) int32.
        close: Whether two atoms are so close (about 0.003 Å) that they may coincide.
    """

    edge_index: np.ndarray
    shift: np.ndarray
    close: bool


def is_available() -> bool:
    """Return whether the kernel can be used; if not, one warning gives the reason."""
    return _functions() is not None


def find_pairs(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    cutoff: float,
    *,
    sign: int = 1,
    checked: bool = False,
    n_threads: int = 1,
) -> Pairs | None:
    """Return all pairs of atoms, with periodic images, at distances below the cutoff.

    Args:
        positions: Positions, Å, (n_atoms, 3).
        cell: Cell vectors, Å, (3, 3); vectors of directions that are not periodic are ignored.
        pbc: Whether each direction is periodic, (3,) bool.
        cutoff: Cutoff radius, Å, positive.
        sign: Factor on the returned shifts, 1 or −1.
        checked: Whether the caller has checked the structure. If not, the kernel returns None for unusual structures.
        n_threads: Number of threads; 1 is used for few atoms.

    Returns:
        The pairs. None if there is no kernel, or if the structure must be checked first, because it may have numbers that
        are not finite, a cell without volume, or too many neighbours.

    Raises:
        MemoryError: If the edges do not fit into memory.
    """
    functions = _functions()
    if functions is None:
        return None
    make, write = functions
    n_atoms = len(positions)
    n_threads = n_threads if n_atoms > _PARALLEL_FROM else 1
    position_bytes = np.asarray(positions, dtype=np.float64).tobytes()  # ctypes converts bytes faster than arrays
    cell_bytes, pbc_bytes = np.asarray(cell, dtype=np.float64).tobytes(), np.asarray(pbc, dtype=np.bool_).tobytes()
    n_edges, close = ctypes.c_int64(), ctypes.c_int32()
    handle = make(
        n_threads,
        n_atoms,
        position_bytes,
        cell_bytes,
        pbc_bytes,
        cutoff,
        checked,
        ctypes.byref(n_edges),
        ctypes.byref(close),
    )
    if handle is None:
        if n_edges.value == NOT_A_STRUCTURE:
            return None
        raise MemoryError(f"there is not enough memory for the neighbours of {n_atoms} atoms within {cutoff} Å")
    try:
        edge_index, shift = np.empty((2, n_edges.value), np.int64), np.empty((n_edges.value, 3), np.int32)
    except MemoryError:
        write(1, handle, None, None, 1)  # deletes the list in C++
        raise
    write(n_threads, handle, _get_address(edge_index), _get_address(shift), sign)
    return Pairs(edge_index, shift, bool(close.value))


def _get_address(array: np.ndarray) -> int | None:
    """Return the address of a writable array, three times faster than ``array.ctypes.data``; None for an empty array."""
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data)) if array.size else None


class _Functions(NamedTuple):
    make: ctypes._NamedFuncPointer
    write: ctypes._NamedFuncPointer


@cache
def _functions() -> _Functions | None:
    kernel = library("neighbours")
    if kernel is None:
        return None
    integer, pointer, long_integer = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
    functions = _Functions(kernel.neighbours_make, kernel.neighbours_write)
    functions.make.argtypes = [
        integer,
        long_integer,
        pointer,
        pointer,
        pointer,
        ctypes.c_double,
        integer,
        pointer,
        pointer,
    ]
    functions.make.restype = pointer
    functions.write.argtypes = [integer, pointer, pointer, pointer, ctypes.c_int32]
    functions.write.restype = None
    return functions
