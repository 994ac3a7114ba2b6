"""Limit of memory and operations while a model is built from a file, as protection against malicious files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from atomgraph.errors import WiringError
from atomgraph.old_names import old_names_of

_BASE_BYTES = 128 * 2**20  # allowed for every model, in addition to a multiple of the file size
_FILE_SIZE_FACTOR = 4  # additional bytes for each byte of the file
_BASE_OPERATIONS = 200_000  # torch operations allowed for every model; coupling constants of high degrees need many
_OPERATIONS_PER_TENSOR = 300  # additional operations for each tensor of the file
_UNCHECKED_SIZE = 2**20  # numbers; operations with smaller results run without a check


@contextmanager
def limit_work(n_bytes: int, n_tensors: int) -> Iterator[None]:
    """Limit memory and operations of torch, inside this context, to those that a model of this file can need.

    Args:
        n_bytes: Size of the file.
        n_tensors: Number of tensors in the file.

    Raises:
        WiringError: If an operation in the context would exceed the limit; the operation is not run.
    """
    with _WorkCounter(_BASE_BYTES + _FILE_SIZE_FACTOR * n_bytes, _BASE_OPERATIONS + _OPERATIONS_PER_TENSOR * n_tensors):
        yield


class _WorkCounter(TorchDispatchMode):
    """Counts operations, and bytes of tensors made without tensor inputs; large operations first run on the meta device."""

    def __init__(self, n_bytes: int, n_operations: int):
        super().__init__()
        self.bytes_left, self.operations_left = n_bytes, n_operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.operations_left -= 1
        if self.operations_left < 0:
            raise WiringError(
                "building the model takes more operations than any model with as many tensors as the file"
            )
        if func._schema.name.startswith("aten::") and _max_numbers(args, kwargs) > _UNCHECKED_SIZE:
            self._try_on_meta(func, args, kwargs)
        result = func(*args, **kwargs)
        # Tensors that are made without tensor inputs are probably stored in the model.
        if not _tensors(args) and not _tensors(tuple(kwargs.values())):
            self.bytes_left -= _count_bytes(result)
            self._check_memory(0)
        return result

    def _try_on_meta(self, func: Any, args: Any, kwargs: Any) -> None:
        """Run an operation on the meta device; WiringError if its result would be too large."""
        try:
            result = func(*_on_meta(args), **_on_meta(kwargs))
        except WiringError:
            raise
        except Exception:  # not implemented on the meta device, or invalid: the operation runs without this check
            return
        self._check_memory(_count_bytes(result))

    def _check_memory(self, n_bytes: int) -> None:
        """Raise WiringError if fewer bytes are left."""
        if self.bytes_left < n_bytes:
            raise WiringError("building the model would take much more memory than the numbers in its file")


def _tensors(values: Any) -> list[Tensor]:
    """Return the tensors among values and in lists of values."""
    flat = [item for value in values for item in (value if isinstance(value, list | tuple) else (value,))]
    return [item for item in flat if isinstance(item, Tensor)]


def _count_bytes(result: Any) -> int:
    """Return the number of bytes in the result of an operation."""
    results = result if isinstance(result, list | tuple) else (result,)
    return sum(tensor.numel() * tensor.element_size() for tensor in results if isinstance(tensor, Tensor))


def _max_numbers(args: Any, kwargs: Any) -> float:
    """Return the largest possible count of numbers in the result of an operation: the product of all argument sizes."""
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
    """Return a value with all tensors and devices replaced by those of the meta device."""
    if isinstance(value, Tensor):
        return value.to("meta")
    if isinstance(value, list | tuple):
        return type(value)(_on_meta(item) for item in value)
    if isinstance(value, dict):
        return {key: _on_meta(item) for key, item in value.items()} | ({"device": "meta"} if "device" in value else {})
    return torch.device("meta") if isinstance(value, torch.device) else value


__getattr__ = old_names_of(__name__)
