"""A graph as the kernels read it: atoms sorted by element, edges inside the cutoff, by centre and by neighbour."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.compiled.function_pointers import DOUBLE, INT, LONG, POINTER, door
from atomgraph.graph.structure import AtomicGraph

FRAME_SOURCE = """
#include "edges.h"
using namespace atomgraph;
#define FOUND std::int64_t n_runs, std::int64_t n_atoms, std::int64_t *from, std::int64_t *row, std::int32_t *heard, \\
    Real *vector, std::int32_t *neighbour
ATOMGRAPH_API int width() { return WIDTH; }
ATOMGRAPH_API std::int64_t edges_count(FOUND, std::int64_t n_edges, double cutoff, const double *position, const double *cell,
                                       const std::int64_t *graph, const std::int64_t *neighbour_of,
                                       const std::int64_t *centre_of, const std::int32_t *shift, const std::int64_t *place,
                                       const std::int64_t *atom) {
    const Structure structure{position, cell, graph, neighbour_of, centre_of, shift, place, atom, n_atoms, n_edges};
    std::int64_t found = NO_MEMORY;
    guarded([&] { found = count_edges(n_runs, structure, cutoff, {from, row, heard, vector, neighbour}); });
    return found;
}
ATOMGRAPH_API int edges_fill(FOUND, Real *to_vector, std::int32_t *to_neighbour, std::int32_t *centre, std::int64_t *column,
                              std::int32_t *order) {
    return guarded([&] {
        fill_edges(n_runs, n_atoms, {from, row, heard, vector, neighbour}, to_vector, to_neighbour, centre, column, order);
    });
}
ATOMGRAPH_API int edges_collect(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const std::int64_t *column,
                                 const std::int32_t *order, const Real *vector, const Real *slope, const std::int64_t *atom,
                                 const std::int64_t *graph, double *gradient, double *virial) {
    return guarded([&] { collect(n_threads, n_atoms, row, column, order, vector, slope, atom, graph, gradient, virial); });
}
"""
NO_DIRECTION, NOT_SORTED = -1, -2  # what edges_count gives instead of a number
SHARED = 20_000  # edges; fewer are not worth waking a thread for
MOST_RUNS = 16  # each of them counts every atom as neighbour


class DegenerateEdge(Exception):
    """An edge points nowhere: two atoms on one spot, a position that is not finite, or an atom that is not there.

    The model decides what that gives.
    """


@dataclass(frozen=True, eq=False)
class ElementOrder:
    """Atoms of one element side by side: what elements alone decide, the same at every step of dynamics.

    Args:
        atom: (n_atoms,) which atom of the graph each is, and place: where each atom of the graph is.
        element: (n_atoms,) rows of the model's table, sorted.
        present: The elements that occur, and counts: how many atoms each has.
        kind: (n_atoms,) int32 place in ``present``.
        alike: (n_atoms,) int32 zeros, where elements are not told apart.
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
        """element: (n_atoms,) rows of the model's table, in the graph's order."""
        atom = torch.argsort(element, stable=True)
        place = torch.empty_like(atom)
        place[atom] = torch.arange(len(atom))
        element = element[atom]
        present, kind, counts = torch.unique_consecutive(element, return_inverse=True, return_counts=True)
        kind = kind.int()
        return cls(atom, place, element, present.tolist(), counts.tolist(), kind, torch.zeros_like(kind))


@dataclass(frozen=True, eq=False)
class KernelGraph(ElementOrder):
    """One structure, or a batch, in the kernels' order.

    Args:
        vector: (n_edges, 3).
        centre, neighbour: (n_edges,) int32.
        row, column: (n_atoms + 1,).
        order: Edges by neighbour.
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
        """The graph's edges inside the cutoff, its atoms in an order.

        Raises:
            DegenerateEdge: .
        """
        found = cls._found(library, graph, graph.edge_index.long(), graph.cell_shift.int(), atoms, cutoff, dtype)
        if found is None:
            by_centre = torch.argsort(graph.edge_index[1], stable=True)
            edges, shift = graph.edge_index[:, by_centre].long(), graph.cell_shift[by_centre].int()
            found = cls._found(library, graph, edges, shift, atoms, cutoff, dtype)
        if found is None:
            raise DegenerateEdge
        return found

    @classmethod
    def _found(
        cls,
        library: ctypes.CDLL,
        graph: AtomicGraph,
        edges: Tensor,
        shift: Tensor,
        atoms: ElementOrder,
        cutoff: float,
        dtype: torch.dtype,
    ) -> KernelGraph | None:
        """``of``; None for edges that are not sorted by centre."""
        n, n_all = graph.n_atoms, edges.shape[1]
        n_runs = _n_threads(n_all, MOST_RUNS)
        edges, shift = edges.contiguous(), shift.contiguous()
        pos, cell = graph.pos.detach().double().contiguous(), graph.cell.detach().double().contiguous()
        of_atom = graph.graph_of_atom.contiguous()
        origin, row, column = (torch.empty(size, dtype=torch.int64) for size in (n_runs, n + 1, n + 1))
        heard, vector = torch.empty(n_runs, n, dtype=torch.int32), torch.empty(n_all, 3, dtype=dtype)
        neighbour = torch.empty(n_all, dtype=torch.int32)
        runs = n_runs, n, *_addresses(origin, row, heard, vector, neighbour)
        given = _addresses(pos, cell, of_atom, edges[0], edges[1], shift, atoms.place, atoms.atom)
        doors = _doors(library)
        n_edges = doors.count(*runs, n_all, cutoff, *given)
        if n_edges == NOT_SORTED:
            return None
        if n_edges == NO_DIRECTION:
            raise DegenerateEdge
        centre, order = (torch.empty(n_edges, dtype=torch.int32) for _ in range(2))
        whole = vector, neighbour
        if n_edges < n_all:
            whole = torch.empty(n_edges, 3, dtype=dtype), torch.empty(n_edges, dtype=torch.int32)
        doors.fill(*runs, *_addresses(*whole, centre, column, order))
        return cls(
            **vars(atoms),
            vector=whole[0],
            centre=centre,
            neighbour=whole[1],
            row=row,
            column=column,
            order=order,
        )

    def collect(self, library: ctypes.CDLL, slope: Tensor, graph: AtomicGraph) -> tuple[Tensor, Tensor]:
        """dE/dx (n_atoms, 3), in the graph's order, and dE/dε (n_graphs, 3, 3), float64, of slopes by edge vectors."""
        gradient = torch.empty(self.n_atoms, 3, dtype=torch.float64)
        virial = torch.zeros(graph.n_graphs, 3, 3, dtype=torch.float64)
        slope, of_atom = slope.contiguous(), graph.graph_of_atom.contiguous()
        edges = self.row, self.column, self.order, self.vector, slope, self.atom, of_atom
        _doors(library).collect(_n_threads(self.n_edges), self.n_atoms, *_addresses(*edges, gradient, virial))
        return gradient, virial


class _Doors(NamedTuple):
    count: Any
    fill: Any
    collect: Any


@cache
def _doors(library: ctypes.CDLL) -> _Doors:
    runs = [LONG] * 2 + [POINTER] * 5
    count = door(library, "edges_count", *runs, LONG, DOUBLE, *[POINTER] * 8, result=LONG, check=_counted)
    fill = door(library, "edges_fill", *runs, *[POINTER] * 5)
    return _Doors(count, fill, door(library, "edges_collect", INT, LONG, *[POINTER] * 9))


def _counted(found: int, function: Any, arguments: Any) -> int:
    if found < NOT_SORTED:
        raise MemoryError("no memory for the edges of this structure")
    return found


def _addresses(*tensors: Tensor) -> tuple[int, ...]:
    return tuple(tensor.data_ptr() for tensor in tensors)


def _n_threads(n_edges: int, most: int | None = None) -> int:
    """Threads for so many edges."""
    return 1 if n_edges < SHARED else min(torch.get_num_threads(), most or n_edges)
