"""Correspondence between tensors of mace-torch and of atomgraph, for reading, writing and comparison of gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments


@with_old_arguments
@dataclass(frozen=True)
class TensorSlice:
    """``tensor[index] = mace_tensor.flatten()[start : end : step].reshape(shape).permute(order)``.

    Attributes:
        mace_name: Name of the tensor in mace-torch's state dict.
        name: Name of the tensor in atomgraph's state dict.
        shape: Shape of the slice in mace-torch, before ``order``.
        start: Index of the first element of the slice in the flat tensor of mace-torch.
        order: Permutation of the axes of the slice; None for no change.
        index: Index in atomgraph's tensor; () for the complete tensor.
        step: Distance of consecutive elements in the flat tensor of mace-torch.
    """

    mace_name: str
    name: str
    shape: tuple[int, ...]
    start: int = 0
    order: tuple[int, ...] | None = None
    index: tuple[Any, ...] = ()
    step: int = 1

    @property
    def end(self) -> int:
        """Index after the last element of the slice in the flat tensor of mace-torch."""
        return self.start + (prod(self.shape) - 1) * self.step + 1

    place = OldAttribute("index")
    theirs = OldAttribute("mace_name")
    ours = OldAttribute("name")

    def copy_from_mace(self, mace_tensor: Tensor, tensor: Tensor) -> None:
        """Copy the slice from mace-torch's tensor into atomgraph's tensor."""
        part = mace_tensor.reshape(-1)[self.start : self.end : self.step].reshape(self.shape)
        tensor[self.index] = part if self.order is None else part.permute(self.order)

    def copy_to_mace(self, tensor: Tensor, mace_tensor: Tensor) -> None:
        """Copy the slice from atomgraph's tensor into mace-torch's tensor, which is contiguous."""
        part = tensor[self.index]
        if self.order is not None:
            part = part.permute([self.order.index(axis) for axis in range(len(self.order))])
        mace_tensor.view(-1)[self.start : self.end : self.step] = part.reshape(-1)

    to_ours = OldAttribute("copy_from_mace")
    to_theirs = OldAttribute("copy_to_mace")


def whole_tensor(mace_name: str, name: str, shape: Sequence[int], order: tuple[int, ...] | None = None) -> TensorSlice:
    """Return the slice of a complete tensor.

    Args:
        mace_name: Name of the tensor in mace-torch's state dict.
        name: Name of the tensor in atomgraph's state dict.
        shape: Shape of the tensor before ``order``.
        order: Permutation of the axes; None for no change.
    """
    return TensorSlice(mace_name, name, tuple(shape), order=order)


def linear_slices(mace_path: str, path: str, irreps_in: o3.Irreps, irreps_out: o3.Irreps) -> Iterator[TensorSlice]:
    """Yield the slices of an ``o3.Linear``. mace-torch stores one flat array, atomgraph one matrix for each irrep.

    Args:
        mace_path: Dotted path of the module in mace-torch.
        path: Dotted path of the module in atomgraph.
        irreps_in: Irreps of the input.
        irreps_out: Irreps of the output.
    """
    start = 0
    n_rows: dict[o3.Irrep, int] = {}  # rows of the matrix of each irrep so far
    for n_in, irrep in irreps_in:
        first_row = n_rows.get(irrep, 0)
        n_rows[irrep] = first_row + n_in
        for n_out, irrep_out in irreps_out:
            if irrep_out == irrep:
                index = (slice(first_row, first_row + n_in),)
                yield TensorSlice(f"{mace_path}.weight", f"{path}.weights.{irrep}", (n_in, n_out), start, index=index)
                start += n_in * n_out


def element_linear_slices(
    mace_path: str, path: str, n_elements: int, irreps_in: o3.Irreps, irreps_out: o3.Irreps
) -> Iterator[TensorSlice]:
    """Yield the slices of an ``o3.FullyConnectedTensorProduct`` with one-hot elements.

    Each pair of an input block and an output block with equal irrep has weights (n_in, n_elements, n_out); atomgraph stores
    them as (n_elements, n_in, n_out).
    """
    start = 0
    for n_in, irrep in irreps_in:
        for n_out, irrep_out in irreps_out:
            if irrep_out == irrep:
                shape = (n_in, n_elements, n_out)
                yield TensorSlice(f"{mace_path}.weight", f"{path}.weights.{irrep}", shape, start, (1, 0, 2))
                start += prod(shape)


def convert_from_mace(
    slices: Sequence[TensorSlice], get_tensor: Callable[[str], Tensor], like: Mapping[str, Tensor], dtype: torch.dtype
) -> dict[str, Tensor]:
    """Return atomgraph's tensors by name, from those of mace-torch.

    Args:
        slices: Slices of all tensors.
        get_tensor: Function that returns a tensor of mace-torch by name.
        like: Tensors with the shapes of the result, by atomgraph's name.
        dtype: Dtype of real numbers in the result.

    Raises:
        FormatError: If a tensor of mace-torch has more or fewer numbers than its slices.
    """
    result: dict[str, Tensor] = {}
    for mace_name, size in mace_sizes(slices).items():
        n_numbers = get_tensor(mace_name).numel()
        if n_numbers != size:
            raise FormatError(f"the tensor {mace_name} has {n_numbers} numbers where {size} were expected")
    for tensor_slice in slices:
        mace_tensor = get_tensor(tensor_slice.mace_name)
        if tensor_slice.name not in result:
            shape = like[tensor_slice.name].shape
            result_dtype = dtype if mace_tensor.is_floating_point() else mace_tensor.dtype
            result[tensor_slice.name] = torch.zeros(shape, dtype=result_dtype)
        tensor_slice.copy_from_mace(mace_tensor, result[tensor_slice.name])
    return result


def convert_to_mace(slices: Sequence[TensorSlice], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return mace-torch's tensors by name, flat, from those of atomgraph.

    Args:
        slices: Slices of all tensors.
        tensors: Tensors of atomgraph by name.
    """
    result: dict[str, Tensor] = {}
    for mace_name, size in mace_sizes(slices).items():
        name = next(tensor_slice.name for tensor_slice in slices if tensor_slice.mace_name == mace_name)
        result[mace_name] = torch.zeros(size, dtype=tensors[name].dtype)
    for tensor_slice in slices:
        tensor_slice.copy_to_mace(tensors[tensor_slice.name].detach().cpu(), result[tensor_slice.mace_name])
    return result


def mace_sizes(slices: Sequence[TensorSlice]) -> dict[str, int]:
    """Return the number of elements of each tensor of mace-torch, by name."""
    result: dict[str, int] = {}
    for tensor_slice in slices:
        result[tensor_slice.mace_name] = max(result.get(tensor_slice.mace_name, 0), tensor_slice.end)
    return result


__getattr__ = old_names_of(__name__)
