"""A graph in the order of the kernels: atoms sorted by element, and edges inside the cutoff."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels.function_pointers import DOUBLE, INT, LONG, POINTER, bind_function

GRAPH_SOURCE = """
#include "edges.h"
using namespace atomgraph;
#define EDGES std::int64_t n_runs, std::int64_t n_atoms, std::int64_t *run_begin, std::int64_t *row, std::int32_t *count, \\
    Real *vector, std::int32_t *neighbour
ATOMGRAPH_API int width() { return WIDTH; }
ATOMGRAPH_API std::int64_t edges_count(EDGES, std::int64_t n_edges, double cutoff, const double *position, const double *cell,
                                       const std::int64_t *graph, const std::int64_t *neighbour_of,
                                       const std::int64_t *centre_of, const std::int32_t *shift,
                                       const std::int64_t *ordered_row, const std::int64_t *graph_row) {
    const Structure structure{position, cell,        graph,     neighbour_of, centre_of,
                              shift,    ordered_row, graph_row, n_atoms,      n_edges};
    std::int64_t n_inside = NO_MEMORY;
    guarded([&] { n_inside = count_edges(n_runs, structure, cutoff, {run_begin, row, count, vector, neighbour}); });
    return n_inside;
}
ATOMGRAPH_API int edges_fill(EDGES, Real *to_vector, std::int32_t *to_neighbour, std::int32_t *centre, std::int64_t *column,
                              std::int32_t *order) {
    return guarded([&] {
        fill_edges(n_runs, n_atoms, {run_begin, row, count, vector, neighbour}, to_vector, to_neighbour, centre, column, order);
    });
}
ATOMGRAPH_API int edges_collect(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const std::int64_t *column,
                                 const std::int32_t *order, const Real *vector, const Real *grad, const std::int64_t *graph_row,
                                 const std::int64_t *graph, double *gradient, double *virial) {
    return guarded([&] { collect(n_threads, n_atoms, row, column, order, vector, grad, graph_row, graph, gradient, virial); });
}
"""
DEGENERATE, NOT_SORTED = -1, -2  # error codes that edges_count returns instead of the number of edges; -3: no memory
#: Number of edges from which several threads are used; with fewer edges, starting threads takes longer than the work.
PARALLEL_FROM = 20_000
MAX_RUNS = 16  # maximum number of runs of atoms; each run has a counter for every atom


class DegenerateEdge(Exception):
    """Error of an edge without direction: coincident atoms, a position that is not finite, or an invalid atom index.

    The model is then used instead of the kernels.
    """


@dataclass(frozen=True, eq=False)
class ElementOrder:
    """The order of atoms sorted by element. This order does not change during molecular dynamics.

    Attributes:
        graph_row: Row in the graph of each atom in this order, (n_atoms,).
        ordered_row: Row in this order of each atom of the graph, (n_atoms,).
        element: Row of each atom's element in the model's table, in this order (therefore sorted), (n_atoms,).
        element_rows: Rows of the elements that occur, each once.
        counts: Number of atoms of each of these elements.
        element_index: Index of each atom's element in ``element_rows``, (n_atoms,) int32.
        zero_index: Zeros, (n_atoms,) int32, used instead of ``element_index`` if all elements have the same weights.
    """

    graph_row: Tensor
    ordered_row: Tensor
    element: Tensor
    element_rows: list[int]
    counts: list[int]
    element_index: Tensor
    zero_index: Tensor

    @classmethod
    def by_element(cls, element: Tensor) -> ElementOrder:
        """Sort atoms by element.

        Args:
            element: Row of each atom's element in the model's table, in the graph's order, (n_atoms,).
        """
        graph_row = torch.argsort(element, stable=True)
        ordered_row = torch.empty_like(graph_row)
        ordered_row[graph_row] = torch.arange(len(graph_row))
        element = element[graph_row]
        element_rows, index, counts = torch.unique_consecutive(element, return_inverse=True, return_counts=True)
        index = index.int()
        zeros = torch.zeros_like(index)
        return cls(graph_row, ordered_row, element, element_rows.tolist(), counts.tolist(), index, zeros)


@dataclass(frozen=True, eq=False)
class KernelGraph(ElementOrder):
    """A structure or a batch, in the order of the kernels.

    Attributes:
        vector: Edge vectors, Å, (n_edges, 3). Edges are sorted by centre.
        centre, neighbour: The two atoms of each edge, as rows in the order of the kernels, (n_edges,) int32.
        centre_offsets: First edge of each centre, then n_edges, (n_atoms + 1,).
        neighbour_offsets: First entry of each neighbour in ``edges_by_neighbour``, then n_edges, (n_atoms + 1,).
        edges_by_neighbour: Edges sorted by neighbour, (n_edges,) int32.
    """

    vector: Tensor
    centre: Tensor
    neighbour: Tensor
    centre_offsets: Tensor
    neighbour_offsets: Tensor
    edges_by_neighbour: Tensor

    @property
    def n_atoms(self) -> int:
        return len(self.graph_row)

    @property
    def n_edges(self) -> int:
        return len(self.vector)

    @classmethod
    def from_graph(
        cls, library: ctypes.CDLL, graph: AtomicGraph, atoms: ElementOrder, cutoff: float, dtype: torch.dtype
    ) -> KernelGraph:
        """Return the graph with its edges inside the cutoff and its atoms in the given order.

        Args:
            library: The compiled kernels.
            graph: One structure or a batch.
            atoms: The order of the atoms.
            cutoff: Cutoff radius, Å.
            dtype: Dtype of the edge vectors.

        Raises:
            DegenerateEdge: For coincident atoms, positions that are not finite, or edges with invalid atom indices.
        """
        result = cls._from_sorted(library, graph, graph.edge_index.long(), graph.cell_shift.int(), atoms, cutoff, dtype)
        if result is None:
            order_by_centre = torch.argsort(graph.edge_index[1], stable=True)
            edges, shift = graph.edge_index[:, order_by_centre].long(), graph.cell_shift[order_by_centre].int()
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
        """Return the result of ``from_graph``, or None for edges that are not sorted by centre.

        Args:
            library, graph, atoms, cutoff, dtype: As in ``from_graph``.
            edges: Neighbours (row 0) and centres (row 1), as rows of the graph, (2, n_edges) int64.
            shift: Numbers of cell vectors of each edge, (n_edges, 3) int32.
        """
        n_atoms, n_all = graph.n_atoms, edges.shape[1]  # n_all: edges inside and outside the cutoff
        n_runs = _n_threads(n_all, MAX_RUNS)
        edges, shift = edges.contiguous(), shift.contiguous()
        pos, cell = graph.pos.detach().double().contiguous(), graph.cell.detach().double().contiguous()
        graph_of_atom = graph.graph_of_atom.contiguous()
        first_edges, centre_offsets, neighbour_offsets = (
            torch.empty(size, dtype=torch.int64) for size in (n_runs, n_atoms + 1, n_atoms + 1)
        )
        count, vector = torch.empty(n_runs, n_atoms, dtype=torch.int32), torch.empty(n_all, 3, dtype=dtype)
        neighbour = torch.empty(n_all, dtype=torch.int32)
        run_arguments = n_runs, n_atoms, *_addresses(first_edges, centre_offsets, count, vector, neighbour)
        structure_arguments = _addresses(
            pos, cell, graph_of_atom, edges[0], edges[1], shift, atoms.ordered_row, atoms.graph_row
        )
        functions = _functions(library)
        n_edges = functions.count(*run_arguments, n_all, cutoff, *structure_arguments)
        if n_edges == NOT_SORTED:
            return None
        if n_edges == DEGENERATE:
            raise DegenerateEdge
        centre, edges_by_neighbour = (torch.empty(n_edges, dtype=torch.int32) for _ in range(2))
        inside = vector, neighbour  # arrays of the edges inside the cutoff
        if n_edges < n_all:
            inside = torch.empty(n_edges, 3, dtype=dtype), torch.empty(n_edges, dtype=torch.int32)
        functions.fill(*run_arguments, *_addresses(*inside, centre, neighbour_offsets, edges_by_neighbour))
        return cls(
            **vars(atoms),
            vector=inside[0],
            centre=centre,
            neighbour=inside[1],
            centre_offsets=centre_offsets,
            neighbour_offsets=neighbour_offsets,
            edges_by_neighbour=edges_by_neighbour,
        )

    def collect(self, library: ctypes.CDLL, grad: Tensor, graph: AtomicGraph) -> tuple[Tensor, Tensor]:
        """Return gradients with respect to positions and strain, from gradients with respect to edge vectors.

        Args:
            library: The compiled kernels.
            grad: Gradient of the energy with respect to edge vectors, eV/Å, (n_edges, 3).
            graph: The graph from which this object was made.

        Returns:
            Two float64 tensors: dE/dx in the graph's order, eV/Å, (n_atoms, 3), and dE/dε, eV, (n_graphs, 3, 3).
        """
        position_gradient = torch.empty(self.n_atoms, 3, dtype=torch.float64)
        strain_gradient = torch.zeros(graph.n_graphs, 3, 3, dtype=torch.float64)
        grad, graph_of_atom = grad.contiguous(), graph.graph_of_atom.contiguous()
        inputs = (
            self.centre_offsets,
            self.neighbour_offsets,
            self.edges_by_neighbour,
            self.vector,
            grad,
            self.graph_row,
            graph_of_atom,
        )
        outputs = _addresses(position_gradient, strain_gradient)
        _functions(library).collect(_n_threads(self.n_edges), self.n_atoms, *_addresses(*inputs), *outputs)
        return position_gradient, strain_gradient


class _Functions(NamedTuple):
    count: Any
    fill: Any
    collect: Any


@cache
def _functions(library: ctypes.CDLL) -> _Functions:
    run_types = [LONG] * 2 + [POINTER] * 5
    count = bind_function(
        library, "edges_count", *run_types, LONG, DOUBLE, *[POINTER] * 8, result=LONG, check=_check_count
    )
    fill = bind_function(library, "edges_fill", *run_types, *[POINTER] * 5)
    return _Functions(count, fill, bind_function(library, "edges_collect", INT, LONG, *[POINTER] * 9))


def _check_count(n_edges: int, function: Any, arguments: Any) -> int:
    if n_edges < NOT_SORTED:
        raise MemoryError(
            "there is not enough memory for the edges of this structure; evaluate smaller structures or batches"
        )
    return n_edges


def _addresses(*tensors: Tensor) -> tuple[int, ...]:
    return tuple(tensor.data_ptr() for tensor in tensors)


def _n_threads(n_edges: int, max_threads: int | None = None) -> int:
    """Return the number of threads for a number of edges; at most ``max_threads``; None: no limit except torch's."""
    return 1 if n_edges < PARALLEL_FROM else min(torch.get_num_threads(), max_threads or n_edges)
