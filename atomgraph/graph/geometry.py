"""Edge vectors, strained graphs and volumes, differentiable with respect to positions and cell."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.graph.checks import MIN_RELATIVE_VOLUME
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import old_names_of


def edge_vectors(graph: AtomicGraph) -> Tensor:
    r"""Vectors from neighbour to centre, :math:`r_e = x_{centre} - x_{neighbour} + S_e L`.

    :math:`S_e` are the integer cell shifts of edge e, :math:`L` the cell vectors (rows) of the structure.

    Returns:
        Vectors, (n_edges, 3), Å, in the dtype of ``graph.pos``.
    """
    neighbour, centre = graph.edge_index
    # index_select, because the gradient of indexing with [ ] is slower: it sorts the edges first
    vector = graph.pos.index_select(0, centre) - graph.pos.index_select(0, neighbour)
    if graph.n_graphs == 1:
        return vector + graph.cell_shift.to(vector.dtype) @ graph.cell[0]
    cell = graph.cell[graph.graph_of_atom[centre]]  # (n_edges, 3, 3)
    return vector + torch.einsum("es,esk->ek", graph.cell_shift.to(vector.dtype), cell)


def apply_strain(graph: AtomicGraph, pos: Tensor, strain: Tensor) -> AtomicGraph:
    r"""Return a strained copy of the graph, :math:`x \to x(1+\varepsilon)`, :math:`L \to L(1+\varepsilon)`.

    Only the symmetric part of the strain is applied, so that rotations cause no stress.

    Args:
        graph: The graph; it is not changed.
        pos: Positions that replace those of the graph, (n_atoms, 3), Å.
        strain: Strain of each structure, (n_graphs, 3, 3), no unit.
    """
    symmetric = 0.5 * (strain + strain.transpose(1, 2))
    strained = graph.shallow_copy()
    strained.pos = pos + torch.einsum("ij,ijk->ik", pos, symmetric[graph.graph_of_atom])
    strained.cell = graph.cell + graph.cell @ symmetric
    return strained


def volume(graph: AtomicGraph) -> Tensor:
    """Return volumes, (n_graphs,), Å³; NaN for structures without periodic direction or with a cell of rank below three."""
    a, b, c = graph.cell.unbind(1)
    size = (a * torch.linalg.cross(b, c)).sum(1).abs()  # a determinant by LAPACK takes 100 µs more
    has_volume = graph.pbc.any(dim=1) & (
        size > MIN_RELATIVE_VOLUME * torch.linalg.vector_norm(graph.cell, dim=2).prod(dim=1)
    )
    return torch.where(has_volume, size, torch.full_like(size, torch.nan))


__getattr__ = old_names_of(__name__)
