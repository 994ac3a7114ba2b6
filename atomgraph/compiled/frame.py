"""A graph as the kernels read it: atoms sorted by element, edges inside the cutoff, by centre and by neighbour."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.compiled.pointers import pointer
from atomgraph.graph.structure import AtomicGraph

FRAME_SOURCE = """
#include "edges.h"
using namespace atomgraph;
ATOMGRAPH_API int width() { return WIDTH; }
#define STRUCTURE const double *position, const double *cell, const std::int64_t *graph, const std::int64_t *neighbour_of, \\
    const std::int64_t *centre_of, const std::int64_t *shift, const std::int64_t *place, std::int64_t n_atoms, \\
    std::int64_t n_edges
ATOMGRAPH_API std::int64_t edges_count(STRUCTURE, double cutoff, std::int64_t *row, std::int64_t *column) {
    return count_edges({position, cell, graph, neighbour_of, centre_of, shift, place, n_atoms, n_edges}, cutoff, row, column);
}
ATOMGRAPH_API void edges_fill(STRUCTURE, double cutoff, const std::int64_t *row, const std::int64_t *column, Real *vector,
                              std::int32_t *centre, std::int32_t *neighbour, std::int32_t *order) {
    fill_edges({position, cell, graph, neighbour_of, centre_of, shift, place, n_atoms, n_edges}, cutoff, row, column, vector,
               centre, neighbour, order);
}
ATOMGRAPH_API void edges_collect(std::int64_t n, const Real *vector, const Real *slope, const std::int32_t *centre,
                                 const std::int32_t *neighbour, const std::int64_t *atom, const std::int64_t *graph,
                                 double *gradient, double *virial) {
    collect(n, vector, slope, centre, neighbour, atom, graph, gradient, virial);
}
"""


class NoDirection(Exception):
    """An edge points nowhere: two atoms on one spot, a position that is not finite, or an atom that is not there.

    The model decides what that gives.
    """


@dataclass(frozen=True, eq=False)
class Order:
    """Atoms of one element side by side: what elements alone decide, the same at every step of dynamics.

    atom: (n_atoms,) which atom of the graph each is, and place: where each atom of the graph is.
    element: (n_atoms,) rows of the model's table, sorted.  present: the elements that occur, and counts: how many atoms each
    has.  kind: (n_atoms,) int32 place in ``present``.  alike: (n_atoms,) int32 zeros, where elements are not told apart.
    """

    atom: Tensor
    place: Tensor
    element: Tensor
    present: list[int]
    counts: list[int]
    kind: Tensor
    alike: Tensor

    @classmethod
    def by_element(cls, element: Tensor) -> Order:
        """element: (n_atoms,) rows of the model's table, in the graph's order."""
        atom = torch.argsort(element, stable=True)
        place = torch.empty_like(atom)
        place[atom] = torch.arange(len(atom))
        element = element[atom]
        present, kind, counts = torch.unique_consecutive(element, return_inverse=True, return_counts=True)
        kind = kind.int()
        return cls(atom, place, element, present.tolist(), counts.tolist(), kind, torch.zeros_like(kind))


@dataclass(frozen=True, eq=False)
class Frame(Order):
    """One structure, or a batch, in the kernels' order.

    vector: (n_edges, 3).  centre, neighbour: (n_edges,) int32.  row, column: (n_atoms + 1,).  order: edges by neighbour.
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
    def of(cls, library: ctypes.CDLL, graph: AtomicGraph, atoms: Order, cutoff: float, dtype: torch.dtype) -> Frame:
        """The graph's edges inside the cutoff, its atoms in an order.  Raises NoDirection."""
        n = graph.n_atoms
        kept = [graph.pos.detach().double().contiguous(), graph.cell.detach().double().contiguous()]
        kept += [graph.graph_of_atom.contiguous(), graph.edge_index.long().contiguous()]
        kept += [graph.cell_shift.long().contiguous(), atoms.place]
        pos, cell, of_atom, edges, shift, place = kept
        structure = (
            *map(pointer, (pos, cell, of_atom, edges[0], edges[1], shift, place)),
            ctypes.c_int64(n),
            ctypes.c_int64(graph.n_edges),
            ctypes.c_double(cutoff),
        )
        row, column = torch.empty(n + 1, dtype=torch.int64), torch.empty(n + 1, dtype=torch.int64)
        n_edges = library.edges_count(*structure, pointer(row), pointer(column))
        if n_edges < 0:
            raise NoDirection
        vector = torch.empty(n_edges, 3, dtype=dtype)
        centre, neighbour, order = (torch.empty(n_edges, dtype=torch.int32) for _ in range(3))
        rest = map(pointer, (row, column, vector, centre, neighbour, order))
        library.edges_fill(*structure, *rest)
        return cls(
            **vars(atoms),
            vector=vector,
            centre=centre,
            neighbour=neighbour,
            row=row,
            column=column,
            order=order,
        )

    def collect(self, library: ctypes.CDLL, slope: Tensor, graph: AtomicGraph) -> tuple[Tensor, Tensor]:
        """dE/dx (n_atoms, 3), in the graph's order, and dE/dε (n_graphs, 3, 3), float64, of slopes by edge vectors."""
        gradient = torch.zeros(self.n_atoms, 3, dtype=torch.float64)
        virial = torch.zeros(graph.n_graphs, 3, 3, dtype=torch.float64)
        slope, of_atom = slope.contiguous(), graph.graph_of_atom.contiguous()
        tensors = (self.vector, slope, self.centre, self.neighbour, self.atom, of_atom, gradient, virial)
        library.edges_collect(ctypes.c_int64(self.n_edges), *map(pointer, tensors))
        return gradient, virial
