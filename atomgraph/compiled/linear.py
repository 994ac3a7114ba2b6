"""Frozen linear maps of features, computed by a kernel, and their vector-Jacobian products."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.evaluation import MAX_CACHED_TABLES, AtomRuns
from atomgraph.compiled.folded_weights import Weights
from atomgraph.compiled.layout import Layout
from atomgraph.kernels.function_pointers import INT, POINTER, bind_function, integers, pointers
from atomgraph.old_names import OldAttribute, old_names_of

LINEAR_SOURCE = """
#include "linear.h"
ATOMGRAPH_API int wide() { return WIDE; }
ATOMGRAPH_API int linear_rows(int n_threads, int n_kinds, const std::int64_t *first, int n_maps, const std::int64_t *maps,
                              const Real *const *matrices, int adds, const Real *x, Real *y) {
    return guarded([=] {
        const std::int64_t n_atoms = first[n_kinds];
        for (int k = 0; k < n_maps; ++k) {
            const std::int64_t *map = maps + 5 * k;  // 2l+1; channels of x, y; offsets of the blocks of x, y (values per atom)
            linear(n_threads, n_kinds, first, map[0], map[1], map[2], matrices + k * n_kinds, adds, x + n_atoms * map[3],
                   y + n_atoms * map[4]);
        }
    });
}
"""


class LinearMap:
    """:math:`y = x W` for the features of each irrep.

    Args:
        library: The compiled kernels.
        input_layout: Layout of x.
        output_layout: Layout of y.
        weights: The matrices W. Irreps that are missing in one of the two layouts are skipped.
        dtype: Dtype of the kernels.
    """

    def __init__(
        self, library: ctypes.CDLL, input_layout: Layout, output_layout: Layout, weights: Weights, dtype: torch.dtype
    ):
        self.input_layout, self.output_layout, self.by_element = input_layout, output_layout, weights.by_element
        self._weights, self._library, self._dtype = weights, library, dtype
        self._irreps = [
            irrep for irrep in output_layout.channels if irrep in weights.shapes and irrep in input_layout.channels
        ]
        self._linear_rows = bind_function(
            library, "linear_rows", INT, INT, POINTER, INT, POINTER, POINTER, INT, POINTER, POINTER
        )
        self._panels: dict[tuple[o3.Irrep, int, bool], Tensor] = {}  # by irrep, element, and whether transposed
        self._cached_arguments = lru_cache(MAX_CACHED_TABLES)(self._make_arguments)

    def __call__(self, runs: AtomRuns, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return x W, or y + x W if y is given.

        Args:
            runs: One run of atoms for each element, or one run of all atoms.
            x: Features in ``input_layout``.
            y: Features in ``output_layout``, to which the product is added in place; None: a new tensor is returned.
        """
        return self._multiply(runs, x, y, transposed=False)

    def vjp(self, runs: AtomRuns, grad: Tensor, total: Tensor | None = None) -> Tensor:
        """Return g Wᵀ, the gradient with respect to x, from the gradient g with respect to y.

        Args:
            runs: The runs of atoms that were passed to ``__call__``.
            grad: The gradient g, in ``output_layout``.
            total: Gradient in ``input_layout``, to which g Wᵀ is added in place; None: a new tensor is returned.
        """
        return self._multiply(runs, grad, total, transposed=True)

    def _multiply(self, runs: AtomRuns, x: Tensor, y: Tensor | None, transposed: bool) -> Tensor:
        """Return x W, or x Wᵀ if ``transposed``; added to y, in place, if y is given."""
        n_maps, maps, matrices, covers_all_blocks, *_ = self._cached_arguments(runs.kinds, transposed)
        adds = y is not None or not covers_all_blocks
        if y is None:
            output_layout = self.input_layout if transposed else self.output_layout
            allocate = output_layout.empty if covers_all_blocks else output_layout.zeros
            y = allocate(runs.n_atoms, x.dtype)
        threads, n_kinds = torch.get_num_threads(), len(runs.kinds)
        self._linear_rows(threads, n_kinds, runs.first_atoms, n_maps, maps, matrices, adds, x.data_ptr(), y.data_ptr())
        return y

    def _make_arguments(self, kinds: tuple[int, ...], transposed: bool) -> tuple[Any, ...]:
        """Return the arguments of the kernel that depend only on the elements.

        Returns:
            The number of maps; the address of the table of maps; the address of the array of matrices; whether the maps write
            every block of the output; and the arrays at these addresses, which must stay alive.
        """
        input_layout, output_layout = (
            (self.output_layout, self.input_layout) if transposed else (self.input_layout, self.output_layout)
        )
        maps: list[int] = []
        for irrep in self._irreps:
            maps += [
                irrep.dim,
                input_layout.channels[irrep],
                output_layout.channels[irrep],
                input_layout.offsets[irrep],
                output_layout.offsets[irrep],
            ]
        panels = [self._get_panels(irrep, kind, transposed) for irrep in self._irreps for kind in kinds]
        arrays = integers(maps), pointers(panels)
        addresses = [ctypes.addressof(array) for array in arrays]
        return len(self._irreps), *addresses, len(self._irreps) == len(output_layout.channels), arrays

    def _get_panels(self, irrep: o3.Irrep, kind: int, transposed: bool) -> Tensor:
        """Return the matrix of an irrep and an element in the memory order of ``kernels/linear.h``, made on first use."""
        key = (irrep, kind, transposed)
        if key not in self._panels:
            matrix = self._weights.matrix(irrep, kind).to(self._dtype)
            panels = to_panels(matrix.T if transposed else matrix, self._library)
            self._panels.setdefault(key, panels)  # kernels hold its address, so a second thread must not replace it
        return self._panels[key]

    before, after = OldAttribute("input_layout"), OldAttribute("output_layout")


def to_panels(matrix: Tensor, library: ctypes.CDLL) -> Tensor:
    """Return a matrix (n_in, n_out) as consecutive panels of columns, in the memory order of ``kernels/linear.h``.

    A panel has ``library.wide()`` SIMD vectors of columns. If fewer columns are left, the number of vectors is halved until the
    panel fits, down to one vector.
    """
    width, n_vectors = library.width(), library.wide()  # numbers in a SIMD vector, vectors in a panel
    panels, column, n_out = [], 0, matrix.shape[1]
    while column < n_out:
        while n_vectors > 1 and n_out - column <= (n_vectors - 1) * width:
            n_vectors //= 2
        panel = matrix[:, column : column + n_vectors * width]
        panels.append(torch.nn.functional.pad(panel, (0, n_vectors * width - panel.shape[1])).flatten())
        column += n_vectors * width
    return torch.cat(panels)


__getattr__ = old_names_of(__name__)
