"""Frozen matrices as the kernels read them, and features times them, forward and back."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.evaluation import MOST_KINDS, Runs
from atomgraph.compiled.function_pointers import INT, POINTER, door, integers, pointers
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
            const std::int64_t *map = maps + 5 * k;  // components, channels in and out, numbers of an atom before the blocks
            linear(n_threads, n_kinds, first, map[0], map[1], map[2], matrices + k * n_kinds, adds, x + n_atoms * map[3],
                   y + n_atoms * map[4]);
        }
    });
}
"""


class LinearMap:
    """:math:`y = x W`, block by block, for features in one run of numbers.

    Args:
        library: Of the kernels.
        before, after: Layouts of x and y.
        weights: Of irreps that both have; others are left alone.
    """

    def __init__(self, library: ctypes.CDLL, before: Layout, after: Layout, weights: Weights, dtype: torch.dtype):
        self.before, self.after, self.by_element = before, after, weights.by_element
        self._weights, self._library, self._dtype = weights, library, dtype
        self._irreps = [irrep for irrep in after.channels if irrep in weights.shapes and irrep in before.channels]
        self._rows = door(library, "linear_rows", INT, INT, POINTER, INT, POINTER, POINTER, INT, POINTER, POINTER)
        self._panels: dict[tuple[o3.Irrep, int, bool], Tensor] = {}
        self._plan_of = lru_cache(MOST_KINDS)(self._plan)

    def __call__(self, runs: Runs, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x W, added to y if that is given.

        Args:
            runs: Atoms by element, or all alike.
        """
        return self._times(runs, x, y, back=False)

    def back(self, runs: Runs, slope: Tensor, total: Tensor | None = None) -> Tensor:
        """Slopes by x from those by y, g W^T, added to the total if that is given."""
        return self._times(runs, slope, total, back=True)

    def _times(self, runs: Runs, x: Tensor, y: Tensor | None, back: bool) -> Tensor:
        n_maps, maps, matrices, whole, *_ = self._plan_of(runs.kinds, back)
        adds = y is not None or not whole
        if y is None:
            after = self.before if back else self.after
            y = after.empty(runs.n_atoms, x.dtype) if whole else after.zeros(runs.n_atoms, x.dtype)
        threads, n_kinds = torch.get_num_threads(), len(runs.kinds)
        self._rows(threads, n_kinds, runs.first, n_maps, maps, matrices, adds, x.data_ptr(), y.data_ptr())
        return y

    def _plan(self, kinds: tuple[int, ...], back: bool) -> tuple[Any, ...]:
        """How many maps, where they and their matrices stand, and whether they write all; the same with the same elements."""
        before, after = (self.after, self.before) if back else (self.before, self.after)
        maps: list[int] = []
        for irrep in self._irreps:
            maps += [
                irrep.dim,
                before.channels[irrep],
                after.channels[irrep],
                before.before[irrep],
                after.before[irrep],
            ]
        panels = [self._panels_of(irrep, kind, back) for irrep in self._irreps for kind in kinds]
        held = integers(maps), pointers(panels)
        addresses = [ctypes.addressof(each) for each in held]
        return len(self._irreps), *addresses, len(self._irreps) == len(after.channels), held

    def _panels_of(self, irrep: o3.Irrep, kind: int, transposed: bool) -> Tensor:
        """A matrix in the order of ``kernels/linear.h``, made when it is first needed."""
        key = (irrep, kind, transposed)
        if key not in self._panels:
            matrix = self._weights.of(irrep, kind).to(self._dtype)
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
