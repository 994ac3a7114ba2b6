"""Arguments and functions of the kernels in ``coupled_sums.h``: coupled sums over neighbours, and their derivatives."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from atomgraph.kernels.function_pointers import bind_function
from atomgraph.kernels.prebuilt import library

MAX_DEGREE = 3  # largest degree l of features and messages
_LONG, _POINTER = ctypes.c_int64, ctypes.c_void_p


class SumPath(ctypes.Structure):
    """One path, from features of one irrep to messages of one irrep.

    Fields:
        feature, message: Indices of the arrays of features and of messages.
        d1, d3: Numbers of components 2l+1 of the feature and of the message.
        channels: Number of channels.
        weight, matrix: Index of the first weight and of the first matrix element of the path among those of an edge.
        place: Index of the first channel of the path in the array of messages.
    """

    _fields_ = tuple(
        (name, _LONG) for name in ("feature", "message", "d1", "d3", "channels", "weight", "matrix", "place")
    )


class Layout(ctypes.Structure):
    """All paths, and the lengths of rows: weights and matrix elements of an edge, and channels of each array of messages."""

    _fields_ = (
        ("path", ctypes.POINTER(SumPath)),
        ("n_paths", _LONG),
        ("n_weights", _LONG),
        ("n_matrix", _LONG),
        ("message_channels", ctypes.POINTER(_LONG)),
    )


class EdgeAddresses(ctypes.Structure):
    """Edges of each atom, int64 arrays.

    Fields:
        begin: First entry of each atom in ``edge``, (n_atoms + 1,).
        edge: Rows of the edges, (n_edges,).
        other: The other atom of each edge, by row of the edge, (n_edges,).
    """

    _fields_ = tuple((name, _POINTER) for name in ("begin", "edge", "other"))


class Input(ctypes.Structure):
    """Addresses of features h, one array for each irrep, weights w, and matrices M."""

    _fields_ = (("h", ctypes.POINTER(_POINTER)), ("w", _POINTER), ("M", _POINTER))


class Call(ctypes.Structure):
    """Arguments of a kernel; see ``SumCall`` in ``coupled_sums.h``."""

    _fields_ = (
        ("n_threads", _LONG),
        ("n_atoms", _LONG),
        ("layout", Layout),
        ("edges", EdgeAddresses),
        ("input", Input),
        ("vector", Input),
        ("G", ctypes.POINTER(_POINTER)),
        ("sums", ctypes.POINTER(_POINTER)),
        ("gh", ctypes.POINTER(_POINTER)),
        ("gw", _POINTER),
        ("gM", _POINTER),
    )


class Functions(NamedTuple):
    """The kernels; ``coupled_sums.h`` describes what each computes."""

    forward: Any
    backward: Any
    second_sums: Any
    second_backward: Any


@cache
def functions(dtype: str) -> Functions | None:
    """Return the kernels for ``float32`` or ``float64``; None, with one warning, if they cannot be compiled."""
    kernel = library(f"coupled_sums_{dtype}")
    if kernel is None:
        return None
    return Functions(
        *(bind_function(kernel, f"coupled_sums_{name}", ctypes.POINTER(Call)) for name in Functions._fields)
    )


def make_layout(paths: Sequence[SumPath], n_weights: int, n_matrix: int, message_channels: Sequence[int]) -> Layout:
    """Return the layout of paths; it keeps its arrays alive."""
    array = (SumPath * len(paths))(*paths)
    return Layout(array, len(paths), n_weights, n_matrix, (_LONG * len(message_channels))(*message_channels))
