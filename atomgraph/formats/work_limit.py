"""Limits memory and operations while a model is built from a file, so that a small file cannot fill memory or run for hours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from atomgraph.errors import WiringError

_BYTES = 128 * 2**20  # for every model, in addition to a multiple of the file size
_TIMES = 4  # multiple of the file size
_OPERATIONS = 200_000  # of torch, for every model; coupling constants of high degrees need many
_PER_TENSOR = 300  # additional operations for each tensor of the file
_CHEAP = 2**20  # operations with fewer numbers are not checked before


@contextmanager
def allowance(n_bytes: int, n_tensors: int) -> Iterator[None]:
    """Within this context, torch is limited to the memory and operations that a model of this file can need.

    Args:
        n_bytes: Size of the file.
        n_tensors: Number of its tensors.

    Raises:
        WiringError: In the context, before an operation that would exceed the limit.
    """
    with _Counting(_BYTES + _TIMES * n_bytes, _OPERATIONS + _PER_TENSOR * n_tensors):
        yield


class _Counting(TorchDispatchMode):
    """Counts operations, and bytes of tensors made without tensor inputs; large results are tried on the meta device first."""

    def __init__(self, n_bytes: int, n_operations: int):
        super().__init__()
        self.bytes_left, self.operations_left = n_bytes, n_operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.operations_left -= 1
        if self.operations_left < 0:
            raise WiringError("building it takes more steps than any model with as many numbers as the file holds")
        if func._schema.name.startswith("aten::") and _bound(args, kwargs) > _CHEAP:
            self._try_on_meta(func, args, kwargs)
        result = func(*args, **kwargs)
        if not _tensors(args) and not _tensors(tuple(kwargs.values())):  # made without tensor inputs: it will be kept
            self.bytes_left -= _size(result)
            self._check(0)
        return result

    def _try_on_meta(self, func: Any, args: Any, kwargs: Any) -> None:
        """Refuse an operation whose result would be too large."""
        try:
            result = func(*_on_meta(args), **_on_meta(kwargs))
        except WiringError:
            raise
        except Exception:  # unknown on the meta device, or invalid: it is run as it is
            return
        self._check(_size(result))

    def _check(self, n_bytes: int) -> None:
        if self.bytes_left < n_bytes:
            raise WiringError("building it would take much more memory than the numbers in its file")


def _tensors(values: Any) -> list[Tensor]:
    flat = [item for value in values for item in (value if isinstance(value, list | tuple) else (value,))]
    return [item for item in flat if isinstance(item, Tensor)]


def _size(result: Any) -> int:
    """Bytes of the result of an operation."""
    results = result if isinstance(result, list | tuple) else (result,)
    return sum(tensor.numel() * tensor.element_size() for tensor in results if isinstance(tensor, Tensor))


def _bound(args: Any, kwargs: Any) -> float:
    """An upper bound of the numbers that an operation makes: the product of all sizes among its arguments."""
    bound = 1.0
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            bound *= max(value.numel(), 1)
        elif isinstance(value, list | tuple):
            tensors = [item for item in value if isinstance(item, Tensor)]
            if tensors:
                bound *= max(sum(tensor.numel() for tensor in tensors), 1)
            else:
                bound *= max(abs(prod(float(item) for item in value if isinstance(item, int | float) and item)), 1.0)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            bound *= max(abs(value), 1.0) if value == value else 1.0
    return bound


def _on_meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to("meta")
    if isinstance(value, list | tuple):
        return type(value)(_on_meta(item) for item in value)
    if isinstance(value, dict):
        return {key: _on_meta(item) for key, item in value.items()} | ({"device": "meta"} if "device" in value else {})
    return torch.device("meta") if isinstance(value, torch.device) else value
