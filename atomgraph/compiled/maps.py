"""Frozen linear maps between features by irrep: constants folded in, channels filled up to the kernels' width."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.frame import Frame
from atomgraph.compiled.linear import Matrices
from atomgraph.nn.blocks import Blocks
from atomgraph.nn.equivariant_linear import ElementLinear, EquivariantLinear

Padding = tuple[int, int]  # channels that there are, and that there shall be; the rest is zeros


@dataclass(frozen=True, eq=False)
class Table:
    """Features that depend on the element alone: (n_elements, 2l+1, channels) by irrep."""

    blocks: Blocks

    def of(self, frame: Frame) -> Blocks:
        """(n_atoms, 2l+1, channels) by irrep."""
        return {irrep: block[frame.element] for irrep, block in self.blocks.items()}


class BlockMap:
    """``EquivariantLinear``: one matrix an irrep.

    padded_in: of each piece of what comes in (a path's channels).  padded_out: channels that go out.  scale: of all.
    An irrep that goes out and does not come in is zeros.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        linear: EquivariantLinear,
        dtype: torch.dtype,
        padded_in: Padding | None = None,
        padded_out: int | None = None,
        scale: float = 1.0,
    ):
        matrices = {}
        for _, irrep in linear.irreps_out:
            if str(irrep) in linear.weights:
                weight = linear.weights[str(irrep)].detach().double()
                matrix = _padded(weight * (scale / len(weight) ** 0.5), padded_in, padded_out)
                matrices[irrep] = matrix[None].to(dtype)
        self._matrices = Matrices(library, matrices)
        self._missing = {irrep: padded_out or n for n, irrep in linear.irreps_out if irrep not in matrices}

    def of_table(self, x: Table) -> Table:
        """Of each element."""
        return Table(self(x.blocks))

    def __call__(self, x: Blocks) -> Blocks:
        """(n_rows, 2l+1, n_in) to (n_rows, 2l+1, n_out), by irrep."""
        n_rows = len(next(iter(x.values())))
        return self._matrices(x, [0], [n_rows]) | _zeros(self._missing, x)


class ElementMap:
    """``ElementLinear``: one matrix an irrep and an element."""

    def __init__(self, library: ctypes.CDLL, linear: ElementLinear, dtype: torch.dtype, padded_out: int | None = None):
        matrices = {}
        for _, irrep in linear.irreps_out:
            if str(irrep) in linear.weights:
                weight = linear.weights[str(irrep)].detach().double()
                weight = weight / (weight.shape[1] * linear.n_elements) ** 0.5
                matrices[irrep] = _padded(weight, None, padded_out).to(dtype)
        self._matrices = Matrices(library, matrices)
        self._missing = {irrep: padded_out or n for n, irrep in linear.irreps_out if irrep not in matrices}

    def of_table(self, x: Table) -> Table:
        """Of each element."""
        by_irrep = self._matrices.by_irrep
        y = {irrep: torch.bmm(x.blocks[irrep], matrix) for irrep, matrix in by_irrep.items() if irrep in x.blocks}
        return Table(y | _zeros(self._missing, x.blocks))

    def __call__(self, x: Blocks, frame: Frame) -> Blocks:
        """(n_atoms, 2l+1, n_in) to (n_atoms, 2l+1, n_out), by irrep."""
        return self._matrices(x, frame.present, frame.counts) | _zeros(self._missing, x)


def _padded(matrix: Tensor, padded_in: Padding | None, padded_out: int | None) -> Tensor:
    """(..., n_in, n_out) with zeros after each piece of channels that come in, and after those that go out."""
    if padded_in is not None:
        real, wanted = padded_in
        matrix = torch.nn.functional.pad(matrix.unflatten(-2, (-1, real)), (0, 0, 0, wanted - real)).flatten(-3, -2)
    if padded_out is not None:
        matrix = torch.nn.functional.pad(matrix, (0, padded_out - matrix.shape[-1]))
    return matrix


def _zeros(missing: dict[o3.Irrep, int], like: Blocks) -> Blocks:
    some = next(iter(like.values()))
    return {irrep: some.new_zeros(len(some), irrep.dim, n) for irrep, n in missing.items()}
