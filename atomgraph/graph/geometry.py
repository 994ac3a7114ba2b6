"""Positions, cells and strains turned into edge vectors and volumes; everything here is differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.graph.checks import FLATTEST
from atomgraph.graph.structure import AtomicGraph


def edge_vectors(graph: AtomicGraph) -> Tensor:
    r"""Vectors from neighbour to centre, :math:`r_e = x_{centre} - x_{neighbour} + S_e L`.

    :math:`S_e` are the integer cell shifts, :math:`L` the rows of the edge's own cell.

    Returns:
        (n_edges, 3) in Å, in the dtype of ``graph.pos``.
    """
    neighbour, centre = graph.edge_index
    # index_select: the gradient of an indexing [ ] sorts the edges before it adds them up
    vector = graph.pos.index_select(0, centre) - graph.pos.index_select(0, neighbour)
    if graph.n_graphs == 1:
        return vector + graph.cell_shift.to(vector.dtype) @ graph.cell[0]
    cell = graph.cell[graph.graph_of_atom[centre]]  # (n_edges, 3, 3)
    return vector + torch.einsum("es,esk->ek", graph.cell_shift.to(vector.dtype), cell)


def strained(graph: AtomicGraph, pos: Tensor, strain: Tensor) -> AtomicGraph:
    r"""A copy of the graph at other positions under a strain, :math:`x \to x(1+\varepsilon)`, :math:`L \to L(1+\varepsilon)`.

    Only the symmetric part of the strain acts, so a rotation of the frame leaves no stress behind.

    Args:
        pos: (n_atoms, 3) in Å.
        strain: (n_graphs, 3, 3). The caller's graph keeps its tensors.
    """
    symmetric = 0.5 * (strain + strain.transpose(1, 2))
    moved = graph.shallow_copy()
    moved.pos = pos + torch.einsum("ij,ijk->ik", pos, symmetric[graph.graph_of_atom])
    moved.cell = graph.cell + graph.cell @ symmetric
    return moved


def volume(graph: AtomicGraph) -> Tensor:
    """Volumes in Å³, (n_graphs,); NaN where a structure has none: no periodic direction, or a cell of rank below three."""
    a, b, c = graph.cell.unbind(1)
    size = (a * torch.linalg.cross(b, c)).sum(1).abs()  # a determinant goes through LAPACK, for 100 µs
    bounded = graph.pbc.any(dim=1) & (size > FLATTEST * torch.linalg.vector_norm(graph.cell, dim=2).prod(dim=1))
    return torch.where(bounded, size, torch.full_like(size, torch.nan))
