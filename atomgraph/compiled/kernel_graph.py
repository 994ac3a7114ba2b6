"""A graph in the order of the kernels: atoms sorted by element, edges inside the cutoff sorted by centre and by neighbour."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.compiled.function_pointers import DOUBLE, INT, LONG, POINTER, bind_function
from atomgraph.graph.structure import AtomicGraph

GRAPH_SOURCE = """
#include "edges.h"
using namespace atomgraph;
#define EDGES std::int64_t n_runs, std::int64_t n_atoms, std::int64_t *from, std::int64_t *row, std::int32_t *count, \\
    Real *vector, std::int32_t *neighbour
ATOMGRAPH_API int width() { return WIDTH; }
ATOMGRAPH_API std::int64_t edges_count(EDGES, std::int64_t n_edges, double cutoff, const double *position, const double *cell,
                                       const std::int64_t *graph, const std::int64_t *neighbour_of,
                                       const std::int64_t *centre_of, const std::int32_t *shift, const std::int64_t *place,
                                       const std::int64_t *atom) {
    const Structure structure{position, cell, graph, neighbour_of, centre_of, shift, place, atom, n_atoms, n_edges};
    std::int64_t kept = NO_MEMORY;
    guarded([&] { kept = count_edges(n_runs, structure, cutoff, {from, row, count, vector, neighbour}); });
    return kept;
}
ATOMGRAPH_API int edges_fill(EDGES, Real *to_vector, std::int32_t *to_neighbour, std::int32_t *centre, std::int64_t *column,
                              std::int32_t *order) {
    return guarded([&] {
        fill_edges(n_runs, n_atoms, {from, row, count, vector, neighbour}, to_vector, to_neighbour, centre, column, order);
    });
}
ATOMGRAPH_API int edges_collect(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const std::int64_t *column,
                                 const std::int32_t *order, const Real *vector, const Real *grad, const std::int64_t *atom,
                                 const std::int64_t *graph, double *gradient, double *virial) {
    return guarded([&] { collect(n_threads, n_atoms, row, column, order, vector, grad, atom, graph, gradient, virial); });
}
"""
DEGENERATE, NOT_SORTED = -1, -2  # returned by edges_count in place of a number
PARALLEL_FROM = 20_000  # edges; for fewer, starting threads takes longer than the work
MOST_RUNS = 16  # each run keeps a counter for every atom


class DegenerateEdge(Exception):
    """An edge has no direction: two coincident atoms, a position that is not finite, or an index out of range.

    The model is evaluated instead.
    """


@dataclass(frozen=True, eq=False)
class ElementOrder:
    """Atoms sorted by element. It depends on elements only and stays the same during dynamics.

    Attributes:
        atom: (n_atoms,) for each atom in this order, its row in the graph.
        place: (n_atoms,) for each atom of the graph, its row in this order.
        element: (n_atoms,) rows of the model's table of elements, sorted.
        present: Elements that occur.
        counts: Numbers of atoms of these elements.
        kind: (n_atoms,) int32, index into ``present``.
        alike: (n_atoms,) int32 zeros, for kernels that do not distinguish elements.
    """

    atom: Tensor
    place: Tensor
    element: Tensor
    present: list[int]
    counts: list[int]
    kind: Tensor
    alike: Tensor

    @classmethod
    def by_element(cls, element: Tensor) -> ElementOrder:
        """The order of atoms with these elements.

        Args:
            element: (n_atoms,) rows of the model's table, in the graph's order.
        """
        atom = torch.argsort(element, stable=True)
        place = torch.empty_like(atom)
        place[atom] = torch.arange(len(atom))
        element = element[atom]
        present, kind, counts = torch.unique_consecutive(element, return_inverse=True, return_counts=True)
        kind = kind.int()
        return cls(atom, place, element, present.tolist(), counts.tolist(), kind, torch.zeros_like(kind))


@dataclass(frozen=True, eq=False)
class KernelGraph(ElementOrder):
    """One structure, or a batch, in the order of the kernels.

    Attributes:
        vector: (n_edges, 3) edge vectors, Å.
        centre, neighbour: (n_edges,) int32, atoms in this order.
        row: (n_atoms + 1,) the first edge of each centre.
        column: (n_atoms + 1,) the first entry of each neighbour in ``order``.
        order: (n_edges,) int32, edges sorted by neighbour.
    """

    vector: Tensor
    centre: Tensor
    neighbour: Tensor
    row: Tensor
    column: Tensor
    order: Tensor

    @property
    def n_atoms(self) -> int:
        return len(self.atom)

    @property
    def n_edges(self) -> int:
        return len(self.vector)

    @classmethod
    def of(
        cls, library: ctypes.CDLL, graph: AtomicGraph, atoms: ElementOrder, cutoff: float, dtype: torch.dtype
    ) -> KernelGraph:
        """The graph with its edges inside the cutoff and its atoms in a given order.

        Raises:
            DegenerateEdge: For an edge without a direction.
        """
        result = cls._from_sorted(library, graph, graph.edge_index.long(), graph.cell_shift.int(), atoms, cutoff, dtype)
        if result is None:
            by_centre = torch.argsort(graph.edge_index[1], stable=True)
            edges, shift = graph.edge_index[:, by_centre].long(), graph.cell_shift[by_centre].int()
            result = cls._from_sorted(library, graph, edges, shift, atoms, cutoff, dtype)
        if result is None:
            raise DegenerateEdge
        return result

    @classmethod
    def _from_sorted(
        cls,
        library: ctypes.CDLL,
        graph: AtomicGraph,
        edges: Tensor,
        shift: Tensor,
        atoms: ElementOrder,
        cutoff: float,
        dtype: torch.dtype,
    ) -> KernelGraph | None:
        """As ``of``; None for edges that are not sorted by centre."""
        n, n_all = graph.n_atoms, edges.shape[1]
        n_runs = _n_threads(n_all, MOST_RUNS)
        edges, shift = edges.contiguous(), shift.contiguous()
        pos, cell = graph.pos.detach().double().contiguous(), graph.cell.detach().double().contiguous()
        of_atom = graph.graph_of_atom.contiguous()
        first, row, column = (torch.empty(size, dtype=torch.int64) for size in (n_runs, n + 1, n + 1))
        count, vector = torch.empty(n_runs, n, dtype=torch.int32), torch.empty(n_all, 3, dtype=dtype)
        neighbour = torch.empty(n_all, dtype=torch.int32)
        runs = n_runs, n, *_addresses(first, row, count, vector, neighbour)
        given = _addresses(pos, cell, of_atom, edges[0], edges[1], shift, atoms.place, atoms.atom)
        functions = _functions(library)
        n_edges = functions.count(*runs, n_all, cutoff, *given)
        if n_edges == NOT_SORTED:
            return None
        if n_edges == DEGENERATE:
            raise DegenerateEdge
        centre, order = (torch.empty(n_edges, dtype=torch.int32) for _ in range(2))
        exact = vector, neighbour
        if n_edges < n_all:
            exact = torch.empty(n_edges, 3, dtype=dtype), torch.empty(n_edges, dtype=torch.int32)
        functions.fill(*runs, *_addresses(*exact, centre, column, order))
        return cls(
            **vars(atoms),
            vector=exact[0],
            centre=centre,
            neighbour=exact[1],
            row=row,
            column=column,
            order=order,
        )

    def collect(self, library: ctypes.CDLL, grad: Tensor, graph: AtomicGraph) -> tuple[Tensor, Tensor]:
        """Gradients with respect to positions and strain, from those with respect to edge vectors.

        Args:
            library: The kernels.
            grad: (n_edges, 3) gradient of the energy with respect to edge vectors, eV/Å.
            graph: The graph that this was made of.

        Returns:
            dE/dx (n_atoms, 3), in the graph's order, eV/Å, and dE/dε (n_graphs, 3, 3), eV; float64.
        """
        gradient = torch.empty(self.n_atoms, 3, dtype=torch.float64)
        virial = torch.zeros(graph.n_graphs, 3, 3, dtype=torch.float64)
        grad, of_atom = grad.contiguous(), graph.graph_of_atom.contiguous()
        edges = self.row, self.column, self.order, self.vector, grad, self.atom, of_atom
        _functions(library).collect(_n_threads(self.n_edges), self.n_atoms, *_addresses(*edges, gradient, virial))
        return gradient, virial


class _Functions(NamedTuple):
    count: Any
    fill: Any
    collect: Any


@cache
def _functions(library: ctypes.CDLL) -> _Functions:
    runs = [LONG] * 2 + [POINTER] * 5
    count = bind_function(library, "edges_count", *runs, LONG, DOUBLE, *[POINTER] * 8, result=LONG, check=_counted)
    fill = bind_function(library, "edges_fill", *runs, *[POINTER] * 5)
    return _Functions(count, fill, bind_function(library, "edges_collect", INT, LONG, *[POINTER] * 9))


def _counted(n_edges: int, function: Any, arguments: Any) -> int:
    if n_edges < NOT_SORTED:
        raise MemoryError("no memory for the edges of this structure")
    return n_edges


def _addresses(*tensors: Tensor) -> tuple[int, ...]:
    return tuple(tensor.data_ptr() for tensor in tensors)


def _n_threads(n_edges: int, most: int | None = None) -> int:
    """Number of threads for this many edges."""
    return 1 if n_edges < PARALLEL_FROM else min(torch.get_num_threads(), most or n_edges)
