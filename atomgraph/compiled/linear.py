"""Frozen matrices as the kernels read them, and features by irrep times them, with a slope."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.pointers import integers, pointers
from atomgraph.nn.blocks import Blocks

LINEAR_SOURCE = """
#include "linear.h"
ATOMGRAPH_API int wide() { return WIDE; }
ATOMGRAPH_API void linear_rows(int n_threads, int n_maps, int n_kinds, const std::int64_t *first, const std::int64_t *sizes,
                               const Real *const *matrices, const Real *const *x, Real *const *y) {
    for (int k = 0; k < n_maps; ++k)
        linear(n_threads, n_kinds, first, sizes[3 * k], sizes[3 * k + 1], sizes[3 * k + 2], matrices + k * n_kinds, x[k], y[k]);
}
"""


class Matrices:
    """Blocks of features times a matrix an irrep, the same for all atoms or one for each element.

    library: of the kernels.  by_irrep: (n_matrices, n_in, n_out) of each irrep, one matrix or as many as elements.
    """

    def __init__(self, library: ctypes.CDLL, by_irrep: dict[o3.Irrep, Tensor]):
        self.by_irrep, self._library = by_irrep, library
        self._panels: dict[tuple[o3.Irrep, int, bool], Tensor] = {}
        self._plans: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def __call__(self, x: Blocks, kinds: Sequence[int], counts: Sequence[int]) -> Blocks:
        """(n_atoms, 2l+1, n_in) to (n_atoms, 2l+1, n_out) of the irreps that come in and go out.

        kinds: which matrix each run of atoms takes, and counts: how many atoms are in it.
        """
        irreps = tuple(irrep for irrep in self.by_irrep if irrep in x)
        y = _Times.apply(self, irreps, tuple(kinds), counts, *(x[irrep] for irrep in irreps)) if irreps else ()
        return dict(zip(irreps, y, strict=True))

    def times(
        self, irreps: tuple[o3.Irrep, ...], kinds: tuple[int, ...], counts: Sequence[int], x: list[Tensor], back: bool
    ) -> list[Tensor]:
        """x W of each irrep; back: x W^T."""
        x = [block.contiguous() for block in x]
        y = [
            block.new_empty(len(block), irrep.dim, self.by_irrep[irrep].shape[1 if back else 2])
            for irrep, block in zip(irreps, x, strict=True)
        ]
        sizes, matrices = self._plan(irreps, kinds, back)
        self._library.linear_rows(
            ctypes.c_int(torch.get_num_threads()),
            ctypes.c_int(len(irreps)),
            ctypes.c_int(len(kinds)),
            integers(list(accumulate(counts, initial=0))),
            sizes,
            matrices,
            pointers(x),
            pointers(y),
        )
        return y

    def _plan(self, irreps: tuple[o3.Irrep, ...], kinds: tuple[int, ...], back: bool) -> tuple[Any, Any]:
        """Sizes and matrices as the kernel takes them, the same at every call with the same elements."""
        key = (irreps, kinds, back)
        if key not in self._plans:
            sizes = []
            for irrep in irreps:
                n_in, n_out = self.by_irrep[irrep].shape[1:]
                sizes += [irrep.dim, n_out, n_in] if back else [irrep.dim, n_in, n_out]
            panels = [self._panels_of(irrep, kind, back) for irrep in irreps for kind in kinds]
            self._plans.setdefault(key, (integers(sizes), pointers(panels)))
        return self._plans[key]

    def _panels_of(self, irrep: o3.Irrep, kind: int, transposed: bool) -> Tensor:
        """A matrix in the order of ``kernels/linear.h``, made when it is first needed."""
        key = (irrep, kind, transposed)
        if key not in self._panels:
            matrix = self.by_irrep[irrep][kind]
            panel = in_panels(matrix.T if transposed else matrix, self._library)
            self._panels.setdefault(key, panel)  # kernels point to it: what another thread has put there stays
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
        ctx: Any,
        of: Matrices,
        irreps: tuple[o3.Irrep, ...],
        kinds: tuple[int, ...],
        counts: Sequence[int],
        *x: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.given = of, irreps, kinds, counts
        ctx.set_materialize_grads(False)  # what nothing depends on takes no time
        return tuple(of.times(irreps, kinds, counts, list(x), back=False))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> Any:
        of, irreps, kinds, counts = ctx.given
        known = {irrep: slope for irrep, slope in zip(irreps, slopes, strict=True) if slope is not None}
        back = dict(zip(known, of.times(tuple(known), kinds, counts, list(known.values()), back=True), strict=True))
        return None, None, None, None, *(back.get(irrep) for irrep in irreps)
