"""Sums over neighbours of pair functions of the distance, and their vector-Jacobian products, by kernels."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from atomgraph.compiled.fused_forms import describe_unsupported
from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.compiled.pullback import Pullback
from atomgraph.kernels.function_pointers import DOUBLE, INT, LONG, POINTER, bind_function
from atomgraph.nn.part import Part
from atomgraph.nn.repulsion import cutoff_zbl
from atomgraph.nn.repulsion.cutoff_zbl import CutoffZBL
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
ATOMGRAPH_API int pairs_screened(PAIRS, const double *pairs, const double *terms, double p, double *sum,
                                 double *derivative) {
    const Screened phi{pairs, terms, p};
    return guarded([&] { pair_sums(n_threads, n_atoms, {row, neighbour, vector, kind, n_kinds}, phi, sum, derivative); });
}
ATOMGRAPH_API int pairs_vjp(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const Real *vector,
                               const double *derivative, const double *grad_sum, Real *grad_vector) {
    return guarded([&] { pair_vjp(n_threads, n_atoms, row, vector, derivative, grad_sum, grad_vector); });
}
"""


class PairSums(ABC):
    r""":math:`S_i = \sum_j \varphi_{z_i z_j}(r_{ij})` by a kernel, in float64 for edge vectors of any dtype.

    z_i is the element of atom i, r_ij a distance in Å.

    Attributes:
        name: Name of the kernel without its prefix ``pairs_``.
        types: C types of the constants of the kernel.
        is_pairwise: Whether pairs of elements have different functions.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[Any, ...]]
    is_pairwise = True
    _cached_constants: tuple[tuple[int, ...], tuple[Any, ...]] | None = None  # rows of elements, and their constants

    @abstractmethod
    def constants(self, element_rows: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the constants of the kernel for pairs of elements; tensors are passed as addresses.

        Args:
            element_rows: Rows, in the model's table, of the elements that occur.
        """

    def bind(self, library: ctypes.CDLL) -> None:
        """Look up the functions in the compiled library."""
        graph_types = INT, LONG, POINTER, POINTER, POINTER, POINTER, INT
        self._sums = bind_function(library, f"pairs_{self.name}", *graph_types, *self.types, POINTER, POINTER)
        self._vjp = bind_function(library, "pairs_vjp", INT, LONG, *[POINTER] * 5)

    def __call__(self, kernel_graph: KernelGraph) -> tuple[Tensor, Pullback]:
        """Return the sums, (n_atoms,) float64, and their vector-Jacobian product.

        The product returns the gradient with respect to edge vectors, (n_edges, 3), from the gradient with respect to the sums.
        """
        n_threads, n_atoms, first_edges, vector = (
            torch.get_num_threads(),
            kernel_graph.n_atoms,
            kernel_graph.centre_offsets,
            kernel_graph.vector,
        )
        kind, n_kinds = (
            (kernel_graph.element_index, len(kernel_graph.element_rows))
            if self.is_pairwise
            else (kernel_graph.zero_index, 1)
        )
        sums, derivatives = (torch.empty(n, dtype=torch.float64) for n in (n_atoms, kernel_graph.n_edges))
        constants = self._get_constants(tuple(kernel_graph.element_rows))
        addresses = [value.data_ptr() if isinstance(value, Tensor) else value for value in constants]
        graph_arguments = (
            first_edges.data_ptr(),
            kernel_graph.neighbour.data_ptr(),
            vector.data_ptr(),
            kind.data_ptr(),
            n_kinds,
        )
        self._sums(n_threads, n_atoms, *graph_arguments, *addresses, sums.data_ptr(), derivatives.data_ptr())

        def vjp(grad: Tensor) -> Tensor:
            grad, grad_vector = grad.double().contiguous(), torch.empty_like(vector)
            tensors = first_edges, vector, derivatives, grad, grad_vector
            self._vjp(n_threads, n_atoms, *(tensor.data_ptr() for tensor in tensors))
            return grad_vector

        return sums, vjp

    def _get_constants(self, element_rows: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the constants for the elements of the last evaluation from a cache; compute them for other elements."""
        cached = self._cached_constants  # read once, because another thread may replace it
        if cached is None or cached[0] != element_rows:
            self._cached_constants = cached = element_rows, self.constants(element_rows)
        return cached[1]


@describe_unsupported.register(ZBL)
@describe_unsupported.register(CutoffZBL)
def _(repulsion: ZBL | CutoffZBL) -> str | None:
    return None


def fuse_repulsion(repulsion: Part) -> PairSums:
    """Return the fused form of a repulsion."""
    if isinstance(repulsion, CutoffZBL):
        return FusedCutoffZBL(repulsion)
    if isinstance(repulsion, ZBL):
        return FusedRepulsion(repulsion)
    raise TypeError(f"kernels do not support the repulsion {type(repulsion).__name__}")


class FusedRepulsion(PairSums):
    """Energies of the repulsion ``nn.ZBL`` by a kernel, eV."""

    name = "screened"
    types = POINTER, POINTER, DOUBLE

    def __init__(self, zbl: ZBL):
        self._zbl = zbl
        terms = [[c, d] for c, (_, d) in zip(zbl.screening, SCREENING, strict=True)]
        self._terms = torch.tensor(terms, dtype=torch.float64)

    def constants(self, element_rows: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the constants of each pair (``_pair_constants``), the screening terms, and the exponent p of the envelope."""
        return self._pair_constants(torch.tensor(element_rows, dtype=torch.int64)), self._terms, float(self._zbl.p)

    def _pair_constants(self, element_rows: Tensor) -> Tensor:
        """Return three constants of each pair: prefactor (eV·Å), 1/a (1/Å), cutoff (Å); (n_elements, n_elements, 3)."""
        zbl = self._zbl
        z, radius = zbl.number[element_rows], zbl.radius[element_rows]
        inverse_length = (z[:, None] ** zbl.exponent + z**zbl.exponent) / (zbl.prefactor * BOHR)
        return torch.stack(
            [0.5 * COULOMB * z[:, None] * z, inverse_length, radius[:, None] + radius], dim=2
        ).contiguous()


class FusedCutoffZBL(PairSums):
    """Energies of the repulsion ``nn.repulsion.CutoffZBL`` by a kernel, eV."""

    name = "screened"
    types = POINTER, POINTER, DOUBLE

    def __init__(self, zbl: CutoffZBL):
        self._zbl = zbl
        self._terms = torch.tensor(cutoff_zbl.SCREENING, dtype=torch.float64)

    def constants(self, element_rows: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the constants as ``FusedRepulsion`` does: of each pair, the screening terms, and the exponent p."""
        zbl, rows = self._zbl, torch.tensor(element_rows, dtype=torch.int64)
        z = zbl.number[rows]
        power = z**cutoff_zbl.SCREENING_POWER
        inverse_length = (power[:, None] + power) / cutoff_zbl.SCREENING_LENGTH
        if zbl.pair_cutoffs is None:
            cutoffs = torch.full_like(inverse_length, zbl.cutoff)
        else:
            cutoffs = zbl.pair_cutoffs.table[rows][:, rows]
        prefactor = 0.5 * cutoff_zbl.COULOMB * z[:, None] * z
        return torch.stack([prefactor, inverse_length, cutoffs], dim=2).contiguous(), self._terms, float(zbl.p)
