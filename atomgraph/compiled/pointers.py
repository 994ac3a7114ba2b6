"""Tensors as a kernel sees them: pointers."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

from torch import Tensor


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Where a tensor's numbers begin; the null pointer for None. The tensor is contiguous, and has to be kept."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """An array of pointers, one a tensor."""
    return _array(ctypes.c_void_p, len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def addresses(numbers: Sequence[int]) -> ctypes.Array[ctypes.c_void_p]:
    """An array of pointers from addresses."""
    return _array(ctypes.c_void_p, len(numbers))(*numbers)


def integers(numbers: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    """An array of int64."""
    return _array(ctypes.c_int64, len(numbers))(*numbers)


@cache
def _array(kind: Any, n: int) -> Any:
    """The type of arrays of n, kept: ctypes makes it anew, at the cost of a class, whenever none of its arrays is left."""
    return kind * n
