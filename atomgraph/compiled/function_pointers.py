"""Tensors and functions as ctypes sees them: addresses, and doors of a library that take them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from torch import Tensor

INT, LONG, DOUBLE, POINTER = ctypes.c_int, ctypes.c_int64, ctypes.c_double, ctypes.c_void_p


def _succeeded(code: int, function: Any, arguments: Any) -> int:
    if code:
        raise MemoryError("a compiled kernel found no memory for this structure")
    return code


def door(
    library: ctypes.CDLL, name: str, *types: Any, result: Any = INT, check: Callable[[int, Any, Any], int] = _succeeded
) -> Any:
    """A kernel that takes arguments of these types, addresses as numbers; it raises MemoryError where memory ran out.

    Args:
        result, check: What it gives, and what raises for that, where it is no code. All who open a kernel share one
            function of ctypes, perhaps while another calls it, so that each asks for the same.
    """
    function = getattr(library, name)
    function.argtypes, function.restype, function.errcheck = types, result, check
    return function


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Where a tensor's numbers begin; the null pointer for None. The tensor is contiguous, and has to be kept."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """An array of pointers, one a tensor."""
    return _array(ctypes.c_void_p, len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def integers(numbers: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    """An array of int64."""
    return _array(ctypes.c_int64, len(numbers))(*numbers)


@cache
def _array(kind: Any, n: int) -> Any:
    """The type of arrays of n, kept: ctypes makes it anew, at the cost of a class, whenever none of its arrays is left."""
    return kind * n
