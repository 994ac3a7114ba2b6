"""Frozen matrices as the kernels read them, and features by irrep times them, with a slope."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.pointers import integers, pointer, pointers
from atomgraph.nn.blocks import Blocks

LINEAR_SOURCE = """
#include "linear.h"
ATOMGRAPH_API int wide() { return WIDE; }
ATOMGRAPH_API void linear_rows(int n_threads, int n_kinds, const std::int64_t *first, std::int64_t n_components,
                               std::int64_t n_in, std::int64_t n_out, const Real *const *matrices, const Real *x, Real *y) {
    linear(n_threads, n_kinds, first, n_components, n_in, n_out, matrices, x, y);
}
"""


class Matrices:
    """Blocks of features times a matrix an irrep, the same for all atoms or one for each element.

    library: of the kernels.  by_irrep: (n_matrices, n_in, n_out) of each irrep, one matrix or as many as elements.
    """

    def __init__(self, library: ctypes.CDLL, by_irrep: dict[o3.Irrep, Tensor]):
        self.by_irrep, self._library = by_irrep, library
        self._panels: dict[tuple[o3.Irrep, int, bool], Tensor] = {}

    def __call__(self, x: Blocks, kinds: Sequence[int], counts: Sequence[int]) -> Blocks:
        """(n_atoms, 2l+1, n_in) to (n_atoms, 2l+1, n_out) of the irreps that come in and go out.

        kinds: which matrix each run of atoms takes, and counts: how many atoms are in it.
        """
        irreps = [irrep for irrep in self.by_irrep if irrep in x]
        y = _Times.apply(self, irreps, list(kinds), list(counts), *(x[irrep] for irrep in irreps)) if irreps else ()
        return dict(zip(irreps, y, strict=True))

    def times(self, irrep: o3.Irrep, kinds: list[int], counts: list[int], x: Tensor, transposed: bool) -> Tensor:
        """x W, or x W^T, of one irrep."""
        n_in, n_out = self.by_irrep[irrep].shape[1:]
        x, panels = x.contiguous(), [self._panels_of(irrep, kind, transposed) for kind in kinds]
        y = x.new_empty(*x.shape[:2], n_in if transposed else n_out)
        first = [0]
        for count in counts:
            first.append(first[-1] + count)
        self._library.linear_rows(
            ctypes.c_int(torch.get_num_threads()),
            ctypes.c_int(len(kinds)),
            integers(first),
            *(ctypes.c_int64(n) for n in (x.shape[1], x.shape[2], y.shape[2])),
            pointers(panels),
            pointer(x),
            pointer(y),
        )
        return y

    def _panels_of(self, irrep: o3.Irrep, kind: int, transposed: bool) -> Tensor:
        """A matrix in the order of ``kernels/linear.h``, made when it is first needed."""
        key = (irrep, kind, transposed)
        if key not in self._panels:
            matrix = self.by_irrep[irrep][kind]
            self._panels[key] = in_panels(matrix.T if transposed else matrix, self._library)
        return self._panels[key]


def in_panels(matrix: Tensor, library: ctypes.CDLL) -> Tensor:
    """(n_in, n_out) as panels of columns, one after the other: of ``wide`` vectors, then of half as many, down to one."""
    width, vectors = library.width(), library.wide()
    panels, column, n_out = [], 0, matrix.shape[1]
    while column < n_out:
        while vectors > 1 and n_out - column <= (vectors - 1) * width:
            vectors //= 2
        panel = matrix[:, column : column + vectors * width]
        panels.append(torch.nn.functional.pad(panel, (0, vectors * width - panel.shape[1])).flatten())
        column += vectors * width
    return torch.cat(panels)


class _Times(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, of: Matrices, irreps: list[o3.Irrep], kinds: list[int], counts: list[int], *x: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.given = of, irreps, kinds, counts
        ctx.set_materialize_grads(False)  # what nothing depends on takes no time
        return tuple(of.times(irrep, kinds, counts, block, False) for irrep, block in zip(irreps, x, strict=True))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> Any:
        of, irreps, kinds, counts = ctx.given
        back = (
            None if slope is None else of.times(irrep, kinds, counts, slope, True)
            for irrep, slope in zip(irreps, slopes, strict=True)
        )
        return None, None, None, None, *back
