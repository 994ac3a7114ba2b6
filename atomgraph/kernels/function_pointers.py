"""Calls of C functions with ctypes: addresses of tensors, and functions of a library with their argument types."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from torch import Tensor

INT, LONG, DOUBLE, POINTER = ctypes.c_int, ctypes.c_int64, ctypes.c_double, ctypes.c_void_p


def _check_code(code: int, function: Any, arguments: Any) -> int:
    if code:
        raise MemoryError(
            "there is not enough memory to evaluate this structure by compiled kernels; evaluate smaller structures or batches"
        )
    return code


def bind_function(
    library: ctypes.CDLL, name: str, *types: Any, result: Any = INT, check: Callable[[int, Any, Any], int] = _check_code
) -> Any:
    """Return a C function of a library, with its types. By default, it raises MemoryError for any returned value except 0.

    ctypes has one function object for each name, which all threads share. All calls for one name must pass the same types.

    Args:
        library: The loaded library.
        name: Name of the function.
        types: C types of the arguments of the function. Addresses, of type ``POINTER``, are passed as integers.
        result: C type of the returned value, which is an error code by default.
        check: Function that is called with the returned value, the C function and its arguments. It raises an error for an
            error code, else it returns the value.
    """
    function = getattr(library, name)
    function.argtypes, function.restype, function.errcheck = types, result, check
    return function


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return the address of a contiguous tensor, or the null pointer for None. The caller must keep the tensor alive."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """Return an array of the addresses of tensors."""
    return _array_type(ctypes.c_void_p, len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def integers(numbers: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    """Return a C array of int64."""
    return _array_type(ctypes.c_int64, len(numbers))(*numbers)


@cache
def _array_type(item_type: Any, n: int) -> Any:
    """Return the type of an array of n items. Cached, because ctypes may create a new class for each request."""
    return item_type * n
