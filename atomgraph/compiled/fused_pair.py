"""Sums over neighbours of functions of the distance by pair of elements, with what leads to slopes by edge vectors."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from atomgraph.compiled.function_pointers import DOUBLE, INT, LONG, POINTER, door
from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.compiled.pullback import Pullback
from atomgraph.nn.repulsion.zbl import BOHR, COULOMB, SCREENING, ZBL

PAIR_SOURCE = """
#include "pair.h"
#define PAIRS int n_threads, std::int64_t n_atoms, const std::int64_t *row, const std::int32_t *neighbour, \\
    const Real *vector, const std::int32_t *kind, int n_kinds
ATOMGRAPH_API int pairs_tabulated(PAIRS, const double *tables, int degree, std::int64_t n_pieces, double cutoff,
                                  double *sum, double *slope) {
    const Tabulated phi{tables, degree, {cutoff, n_pieces}};
    return guarded([&] { pair_sums(n_threads, n_atoms, {row, neighbour, vector, kind, n_kinds}, phi, sum, slope); });
}
ATOMGRAPH_API int pairs_screened(PAIRS, const double *of_pairs, const double *terms, double p, double *sum, double *slope) {
    const Screened phi{of_pairs, terms, p};
    return guarded([&] { pair_sums(n_threads, n_atoms, {row, neighbour, vector, kind, n_kinds}, phi, sum, slope); });
}
ATOMGRAPH_API int pairs_slopes(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const Real *vector,
                               const double *slope, const double *by_sum, Real *by_vector) {
    return guarded([&] { pair_slopes(n_threads, n_atoms, row, vector, slope, by_sum, by_vector); });
}
"""


class PairSums(ABC):
    r""":math:`S_i = \sum_j \varphi_{z_i z_j}(r_{ij})` by a kernel: float64, whatever the edge vectors are in.

    A subclass has the kernel's name, types of the constants that this takes, and these.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[Any, ...]]
    is_pairwise = True  # False: one function for all pairs
    _last: tuple[tuple[int, ...], tuple[Any, ...]] | None = None

    @abstractmethod
    def constants(self, present: tuple[int, ...]) -> tuple[Any, ...]:
        """What the kernel takes for the pairs of the elements that are present; of tensors it takes the addresses.

        Asked for when other elements come than the last time.
        """

    def bind(self, library: ctypes.CDLL) -> None:
        """Use the compiled kernels."""
        structure = INT, LONG, POINTER, POINTER, POINTER, POINTER, INT
        self._sums = door(library, f"pairs_{self.name}", *structure, *self.types, POINTER, POINTER)
        self._slopes = door(library, "pairs_slopes", INT, LONG, *[POINTER] * 5)

    def __call__(self, frame: KernelGraph) -> tuple[Tensor, Pullback]:
        """(n_atoms,) float64; from slopes by it to slopes by edge vectors, (n_edges, 3)."""
        threads, n_atoms, row, vector = torch.get_num_threads(), frame.n_atoms, frame.row, frame.vector
        kind, n_kinds = (frame.kind, len(frame.present)) if self.is_pairwise else (frame.alike, 1)
        sums, slopes = (torch.empty(n, dtype=torch.float64) for n in (n_atoms, frame.n_edges))
        constants = self._constants_of(tuple(frame.present))
        given = (*(each.data_ptr() if isinstance(each, Tensor) else each for each in constants), sums.data_ptr())
        edges = row.data_ptr(), frame.neighbour.data_ptr(), vector.data_ptr(), kind.data_ptr(), n_kinds
        self._sums(threads, n_atoms, *edges, *given, slopes.data_ptr())

        def back(slope: Tensor) -> Tensor:
            slope, by_vector = slope.double().contiguous(), torch.empty_like(vector)
            tensors = row, vector, slopes, slope, by_vector
            self._slopes(threads, n_atoms, *(tensor.data_ptr() for tensor in tensors))
            return by_vector

        return sums, back

    def _constants_of(self, present: tuple[int, ...]) -> tuple[Any, ...]:
        last = self._last  # read once: another thread may exchange it
        if last is None or last[0] != present:
            self._last = last = present, self.constants(present)
        return last[1]


class FusedRepulsion(PairSums):
    """``nn.ZBL``, eV."""

    name = "screened"
    types = POINTER, POINTER, DOUBLE

    def __init__(self, zbl: ZBL):
        self._zbl = zbl
        rows = [[c, d] for c, (_, d) in zip(zbl.screening, SCREENING, strict=True)]
        self._terms = torch.tensor(rows, dtype=torch.float64)

    def constants(self, present: tuple[int, ...]) -> tuple[Any, ...]:
        """k, 1/a and the reach of each pair; the terms of the screening; p."""
        return self._of_pairs(torch.tensor(present, dtype=torch.int64)), self._terms, float(self._zbl.p)

    def _of_pairs(self, present: Tensor) -> Tensor:
        """(n_kinds, n_kinds, 3)."""
        zbl = self._zbl
        z, radius = zbl.number[present], zbl.radius[present]
        inverse = (z[:, None] ** zbl.exponent + z**zbl.exponent) / (zbl.prefactor * BOHR)
        return torch.stack([0.5 * COULOMB * z[:, None] * z, inverse, radius[:, None] + radius], dim=2).contiguous()
