"""The table of tensors in a MACE file and in ours, for reading, writing and comparing gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import FormatError


@dataclass(frozen=True)
class TensorSlice:
    """``ours[place] = theirs.flatten()[start : end : step].reshape(shape).permute(order)``.

    Attributes:
        theirs, ours: Names in the two state dicts.
        place: Where in our tensor, () for all of it.
    """

    theirs: str
    ours: str
    shape: tuple[int, ...]
    start: int = 0
    order: tuple[int, ...] | None = None
    place: tuple[Any, ...] = ()
    step: int = 1

    @property
    def end(self) -> int:
        """Where the piece ends in their flat tensor."""
        return self.start + (prod(self.shape) - 1) * self.step + 1

    def to_ours(self, theirs: Tensor, ours: Tensor) -> None:
        """Copy from their tensor into ours."""
        part = theirs.reshape(-1)[self.start : self.end : self.step].reshape(self.shape)
        ours[self.place] = part if self.order is None else part.permute(self.order)

    def to_theirs(self, ours: Tensor, theirs: Tensor) -> None:
        """Copy from our tensor into theirs, which is contiguous."""
        part = ours[self.place]
        if self.order is not None:
            part = part.permute([self.order.index(axis) for axis in range(len(self.order))])
        theirs.view(-1)[self.start : self.end : self.step] = part.reshape(-1)


def whole(theirs: str, ours: str, shape: Sequence[int], order: tuple[int, ...] | None = None) -> TensorSlice:
    """All of a tensor, in another shape or with other axes."""
    return TensorSlice(theirs, ours, tuple(shape), order=order)


def linear(theirs: str, ours: str, irreps_in: o3.Irreps, irreps_out: o3.Irreps) -> Iterator[TensorSlice]:
    """``o3.Linear``: flat weights, path after path, input outside; here one matrix for each irrep, its inputs concatenated."""
    start = 0
    rows: dict[o3.Irrep, int] = {}
    for n_in, irrep in irreps_in:
        first = rows.get(irrep, 0)
        rows[irrep] = first + n_in
        for n_out, out in irreps_out:
            if out == irrep:
                place = (slice(first, first + n_in),)
                yield TensorSlice(f"{theirs}.weight", f"{ours}.weights.{irrep}", (n_in, n_out), start, place=place)
                start += n_in * n_out


def element_linear(
    theirs: str, ours: str, n_elements: int, irreps_in: o3.Irreps, irreps_out: o3.Irreps
) -> Iterator[TensorSlice]:
    """``o3.FullyConnectedTensorProduct`` with one-hot scalars: flat, each path (n_in, n_elements, n_out)."""
    start = 0
    for n_in, irrep in irreps_in:
        for n_out, out in irreps_out:
            if out == irrep:
                shape = (n_in, n_elements, n_out)
                yield TensorSlice(f"{theirs}.weight", f"{ours}.weights.{irrep}", shape, start, (1, 0, 2))
                start += prod(shape)


def to_ours(
    pieces: Sequence[TensorSlice], theirs: Callable[[str], Tensor], like: Mapping[str, Tensor], dtype: torch.dtype
) -> dict[str, Tensor]:
    """Our tensors by name, from theirs.

    FormatError where their tensor holds more or fewer numbers than the pieces of it.

    Args:
        like: Tensors of the shapes wanted.
        dtype: Of real numbers.
    """
    result: dict[str, Tensor] = {}
    for name, size in sizes(pieces).items():
        if theirs(name).numel() != size:
            raise FormatError(f"the tensor {name} has {theirs(name).numel()} numbers where {size} were expected")
    for piece in pieces:
        source = theirs(piece.theirs)
        if piece.ours not in result:
            shape = like[piece.ours].shape
            result[piece.ours] = torch.zeros(shape, dtype=dtype if source.is_floating_point() else source.dtype)
        piece.to_ours(source, result[piece.ours])
    return result


def to_theirs(pieces: Sequence[TensorSlice], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors by name, flat, from ours."""
    result: dict[str, Tensor] = {}
    for name, size in sizes(pieces).items():
        source = next(piece.ours for piece in pieces if piece.theirs == name)
        result[name] = torch.zeros(size, dtype=ours[source].dtype)
    for piece in pieces:
        piece.to_theirs(ours[piece.ours].detach().cpu(), result[piece.theirs])
    return result


def sizes(pieces: Sequence[TensorSlice]) -> dict[str, int]:
    """How many numbers each of their tensors holds."""
    result: dict[str, int] = {}
    for piece in pieces:
        result[piece.theirs] = max(result.get(piece.theirs, 0), piece.end)
    return result
