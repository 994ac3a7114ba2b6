"""Sums over neighbours of pair functions of the distance, and their vector-Jacobian products, by kernels."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from atomgraph.compiled.function_pointers import DOUBLE, INT, LONG, POINTER, bind_function
from atomgraph.compiled.fused_forms import missing_form
from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.compiled.pullback import Pullback
from atomgraph.nn.repulsion.zbl import BOHR, COULOMB, SCREENING, ZBL

PAIR_SOURCE = """
#include "pair.h"
#define PAIRS int n_threads, std::int64_t n_atoms, const std::int64_t *row, const std::int32_t *neighbour, \\
    const Real *vector, const std::int32_t *kind, int n_kinds
ATOMGRAPH_API int pairs_tabulated(PAIRS, const double *tables, int degree, std::int64_t n_pieces, double cutoff,
                                  double *sum, double *derivative) {
    const Tabulated phi{tables, degree, {cutoff, n_pieces}};
    return guarded([&] { pair_sums(n_threads, n_atoms, {row, neighbour, vector, kind, n_kinds}, phi, sum, derivative); });
}
ATOMGRAPH_API int pairs_screened(PAIRS, const double *of_pairs, const double *terms, double p, double *sum,
                                 double *derivative) {
    const Screened phi{of_pairs, terms, p};
    return guarded([&] { pair_sums(n_threads, n_atoms, {row, neighbour, vector, kind, n_kinds}, phi, sum, derivative); });
}
ATOMGRAPH_API int pairs_vjp(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const Real *vector,
                               const double *derivative, const double *grad_sum, Real *grad_vector) {
    return guarded([&] { pair_vjp(n_threads, n_atoms, row, vector, derivative, grad_sum, grad_vector); });
}
"""


class PairSums(ABC):
    r""":math:`S_i = \sum_j \varphi_{z_i z_j}(r_{ij})` by a kernel, in float64 for edge vectors of any dtype.

    A subclass gives the kernel's name, its constants and their types.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[Any, ...]]
    is_pairwise = True  # False: one function for all pairs of elements
    _last: tuple[tuple[int, ...], tuple[Any, ...]] | None = None

    @abstractmethod
    def constants(self, present: tuple[int, ...]) -> tuple[Any, ...]:
        """Constants of the kernel for pairs of these elements; tensors are passed as addresses.

        Called when the elements differ from those of the last call.
        """

    def bind(self, library: ctypes.CDLL) -> None:
        """Look up the functions in the compiled library."""
        structure = INT, LONG, POINTER, POINTER, POINTER, POINTER, INT
        self._sums = bind_function(library, f"pairs_{self.name}", *structure, *self.types, POINTER, POINTER)
        self._vjp = bind_function(library, "pairs_vjp", INT, LONG, *[POINTER] * 5)

    def __call__(self, kernel_graph: KernelGraph) -> tuple[Tensor, Pullback]:
        """The sums, (n_atoms,) float64, and their VJP, which gives the gradient by edge vectors, (n_edges, 3)."""
        threads, n_atoms, row, vector = (
            torch.get_num_threads(),
            kernel_graph.n_atoms,
            kernel_graph.row,
            kernel_graph.vector,
        )
        kind, n_kinds = (kernel_graph.kind, len(kernel_graph.present)) if self.is_pairwise else (kernel_graph.alike, 1)
        sums, derivatives = (torch.empty(n, dtype=torch.float64) for n in (n_atoms, kernel_graph.n_edges))
        constants = self._constants_of(tuple(kernel_graph.present))
        given = (*(c.data_ptr() if isinstance(c, Tensor) else c for c in constants), sums.data_ptr())
        edges = row.data_ptr(), kernel_graph.neighbour.data_ptr(), vector.data_ptr(), kind.data_ptr(), n_kinds
        self._sums(threads, n_atoms, *edges, *given, derivatives.data_ptr())

        def vjp(grad: Tensor) -> Tensor:
            grad, grad_vector = grad.double().contiguous(), torch.empty_like(vector)
            tensors = row, vector, derivatives, grad, grad_vector
            self._vjp(threads, n_atoms, *(tensor.data_ptr() for tensor in tensors))
            return grad_vector

        return sums, vjp

    def _constants_of(self, present: tuple[int, ...]) -> tuple[Any, ...]:
        last = self._last  # read once, because another thread may replace it
        if last is None or last[0] != present:
            self._last = last = present, self.constants(present)
        return last[1]


@missing_form.register
def _(repulsion: ZBL) -> str | None:
    return None


class FusedRepulsion(PairSums):
    """``nn.ZBL`` by a kernel, eV."""

    name = "screened"
    types = POINTER, POINTER, DOUBLE

    def __init__(self, zbl: ZBL):
        self._zbl = zbl
        rows = [[c, d] for c, (_, d) in zip(zbl.screening, SCREENING, strict=True)]
        self._terms = torch.tensor(rows, dtype=torch.float64)

    def constants(self, present: tuple[int, ...]) -> tuple[Any, ...]:
        """For each pair its prefactor, 1/a and cutoff; the screening terms; the exponent p."""
        return self._of_pairs(torch.tensor(present, dtype=torch.int64)), self._terms, float(self._zbl.p)

    def _of_pairs(self, present: Tensor) -> Tensor:
        """Prefactor, 1/a and cutoff of each pair, (n_kinds, n_kinds, 3)."""
        zbl = self._zbl
        z, radius = zbl.number[present], zbl.radius[present]
        inverse = (z[:, None] ** zbl.exponent + z**zbl.exponent) / (zbl.prefactor * BOHR)
        return torch.stack([0.5 * COULOMB * z[:, None] * z, inverse, radius[:, None] + radius], dim=2).contiguous()
