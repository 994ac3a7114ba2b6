"""Tensors and functions for ctypes: addresses of tensors, and functions of a library that take them."""

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


def bind_function(
    library: ctypes.CDLL, name: str, *types: Any, result: Any = INT, check: Callable[[int, Any, Any], int] = _succeeded
) -> Any:
    """A function of a library, with its types; it raises MemoryError if the kernel has found no memory.

    All callers of one name share one function object of ctypes, also in other threads, so all must give the same types.

    Args:
        library: The loaded library.
        name: Of the function.
        types: Of its arguments; addresses are passed as numbers.
        result: Type of the returned value; an error code by default.
        check: Called with the returned value; raises for an error.
    """
    function = getattr(library, name)
    function.argtypes, function.restype, function.errcheck = types, result, check
    return function


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """The address of a tensor's data; the null pointer for None. The caller keeps the tensor, which must be contiguous."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """An array of addresses, one for each tensor."""
    return _array(ctypes.c_void_p, len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def integers(numbers: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    """An array of int64."""
    return _array(ctypes.c_int64, len(numbers))(*numbers)


@cache
def _array(kind: Any, n: int) -> Any:
    """The type of an array of n, cached: ctypes would create a new class when no array of this type is left."""
    return kind * n
