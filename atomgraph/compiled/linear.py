"""Frozen linear maps of features by a kernel, and their vector-Jacobian products."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.evaluation import MOST_KINDS, Runs
from atomgraph.compiled.function_pointers import INT, POINTER, bind_function, integers, pointers
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.mace.folded_weights import Weights

LINEAR_SOURCE = """
#include "linear.h"
ATOMGRAPH_API int wide() { return WIDE; }
ATOMGRAPH_API int linear_rows(int n_threads, int n_kinds, const std::int64_t *first, int n_maps, const std::int64_t *maps,
                              const Real *const *matrices, int adds, const Real *x, Real *y) {
    return guarded([=] {
        const std::int64_t n_atoms = first[n_kinds];
        for (int k = 0; k < n_maps; ++k) {
            const std::int64_t *map = maps + 5 * k;  // components; channels in and out; offsets of the blocks in an atom
            linear(n_threads, n_kinds, first, map[0], map[1], map[2], matrices + k * n_kinds, adds, x + n_atoms * map[3],
                   y + n_atoms * map[4]);
        }
    });
}
"""


class LinearMap:
    """:math:`y = x W`, irrep by irrep.

    Args:
        library: The kernels.
        before, after: Layouts of x and y.
        weights: W of irreps that both layouts have; other irreps are skipped.
        dtype: Of the kernels.
    """

    def __init__(self, library: ctypes.CDLL, before: Layout, after: Layout, weights: Weights, dtype: torch.dtype):
        self.before, self.after, self.by_element = before, after, weights.by_element
        self._weights, self._library, self._dtype = weights, library, dtype
        self._irreps = [irrep for irrep in after.channels if irrep in weights.shapes and irrep in before.channels]
        self._rows = bind_function(
            library, "linear_rows", INT, INT, POINTER, INT, POINTER, POINTER, INT, POINTER, POINTER
        )
        self._panels: dict[tuple[o3.Irrep, int, bool], Tensor] = {}
        self._plan_of = lru_cache(MOST_KINDS)(self._plan)

    def __call__(self, runs: Runs, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x W, added to y if y is given.

        Args:
            runs: Runs of atoms by element, or one run of all.
        """
        return self._times(runs, x, y, transposed=False)

    def vjp(self, runs: Runs, grad: Tensor, total: Tensor | None = None) -> Tensor:
        """The gradient with respect to x, g Wᵀ, from the gradient g by y; added to the total if that is given."""
        return self._times(runs, grad, total, transposed=True)

    def _times(self, runs: Runs, x: Tensor, y: Tensor | None, transposed: bool) -> Tensor:
        n_maps, maps, matrices, whole, *_ = self._plan_of(runs.kinds, transposed)
        adds = y is not None or not whole
        if y is None:
            after = self.before if transposed else self.after
            y = after.empty(runs.n_atoms, x.dtype) if whole else after.zeros(runs.n_atoms, x.dtype)
        threads, n_kinds = torch.get_num_threads(), len(runs.kinds)
        self._rows(threads, n_kinds, runs.first, n_maps, maps, matrices, adds, x.data_ptr(), y.data_ptr())
        return y

    def _plan(self, kinds: tuple[int, ...], transposed: bool) -> tuple[Any, ...]:
        """The number of maps, addresses of their table and matrices, and whether they write every block; cached by elements."""
        before, after = (self.after, self.before) if transposed else (self.before, self.after)
        maps: list[int] = []
        for irrep in self._irreps:
            maps += [
                irrep.dim,
                before.channels[irrep],
                after.channels[irrep],
                before.before[irrep],
                after.before[irrep],
            ]
        panels = [self._panels_of(irrep, kind, transposed) for irrep in self._irreps for kind in kinds]
        arrays = integers(maps), pointers(panels)
        addresses = [ctypes.addressof(array) for array in arrays]
        return len(self._irreps), *addresses, len(self._irreps) == len(after.channels), arrays

    def _panels_of(self, irrep: o3.Irrep, kind: int, transposed: bool) -> Tensor:
        """A matrix in the memory order of ``kernels/linear.h``, made on first use."""
        key = (irrep, kind, transposed)
        if key not in self._panels:
            matrix = self._weights.of(irrep, kind).to(self._dtype)
            panel = in_panels(matrix.T if transposed else matrix, self._library)
            self._panels.setdefault(key, panel)  # kernels point to it, so the first of two threads wins
        return self._panels[key]


def in_panels(matrix: Tensor, library: ctypes.CDLL) -> Tensor:
    """A matrix (n_in, n_out) as consecutive panels of columns, ``wide`` vectors each, then half as many, down to one."""
    width, vectors = library.width(), library.wide()
    panels, column, n_out = [], 0, matrix.shape[1]
    while column < n_out:
        while vectors > 1 and n_out - column <= (vectors - 1) * width:
            vectors //= 2
        panel = matrix[:, column : column + vectors * width]
        panels.append(torch.nn.functional.pad(panel, (0, vectors * width - panel.shape[1])).flatten())
        column += vectors * width
    return torch.cat(panels)
