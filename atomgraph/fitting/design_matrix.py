"""Rows of the linear problem: how energies, forces and stresses of structures depend on the unknowns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.edge_jacobian import Portion, basis_sums, chunks
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import VOIGT, AtomicGraph
from atomgraph.models.isolated import without_edges
from atomgraph.nn.edges import Edges


@dataclass(frozen=True, eq=False)
class Rows:
    r"""What each unknown adds to energies (n_graphs, n), forces (n_atoms, 3, n), stresses (n_graphs, 6, n) in Voigt's order.

    .. math::
        E = \sum_i \phi_i \cdot w, \qquad F_a = -\sum_e \frac{\partial r_e}{\partial x_a} \frac{\partial \Phi}{\partial r_e}
        \cdot w, \qquad \sigma = \frac1V \sum_e r_e \otimes \frac{\partial \Phi}{\partial r_e} \cdot w

    Forces and stresses are None where they were not asked for; stresses without volume are zero.
    """

    energy: Tensor
    forces: Tensor | None
    stress: Tensor | None


@torch.no_grad()
def design_matrix(unknowns: LinearWeights, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> Rows:
    """Rows of a structure or a batch, in the model's dtype, times the baseline's scale."""
    model = unknowns.model
    edges = model.edges(graph)
    scale = model.baseline.scale[0].to(model.dtype)
    n_atoms, n_graphs = graph.n_atoms, graph.n_graphs
    energy = edges.vector.new_zeros(n_graphs, unknowns.n)
    by_atom = edges.vector.new_zeros(n_atoms, 3, unknowns.n) if forces else None
    by_strain = edges.vector.new_zeros(n_graphs, 3, 3, unknowns.n) if stress else None
    for block in unknowns:
        near = edges.within(block.branch.cutoff)
        energy += basis_sums(block, graph, near, unknowns.n)
        if by_atom is None and by_strain is None:
            continue
        for portion in chunks(block, graph, near):
            if by_atom is not None:
                _add_forces(by_atom, portion, near)
            if by_strain is not None:
                _add_strain(by_strain, portion, near, graph)
    if model.baseline.exact_isolated:
        energy -= _of_isolated(unknowns, graph)
    return Rows(
        energy * scale,
        None if by_atom is None else by_atom.mul_(scale),
        None if by_strain is None else _stress(by_strain, graph) * scale,
    )


def _of_isolated(unknowns: LinearWeights, graph: AtomicGraph) -> Tensor:
    """(n_graphs, n): what the unknowns add to the energies of the same atoms without neighbours, before scaling."""
    bare = without_edges(graph)
    edges = unknowns.model.edges(bare)
    energy = edges.vector.new_zeros(graph.n_graphs, unknowns.n)
    for block in unknowns:
        energy += basis_sums(block, bare, edges, unknowns.n)
    return energy


def _add_forces(by_atom: Tensor, portion: Portion, edges: Edges) -> None:
    """An edge's vector points from neighbour to centre: its slope pulls the centre back and the neighbour along."""
    columns, slopes = portion.columns, portion.slopes
    few = by_atom[:, :, columns] if isinstance(columns, slice) else by_atom.new_zeros(len(by_atom), 3, len(columns))
    few.index_add_(0, edges.neighbour[portion.edges], slopes)
    if portion.centres is None or portion.sums is None:
        few.index_add_(0, edges.centre[portion.edges], slopes, alpha=-1)
    else:
        few.index_add_(0, portion.centres, portion.sums, alpha=-1)
    if not isinstance(columns, slice):
        by_atom.index_add_(2, columns, few)


def _add_strain(by_strain: Tensor, portion: Portion, edges: Edges, graph: AtomicGraph) -> None:
    vector, slopes = edges.vector[portion.edges], portion.slopes
    owner = graph.graph_of_atom[edges.centre[portion.edges]]
    for number in range(graph.n_graphs):
        mine = slice(None) if graph.n_graphs == 1 else owner == number
        product = vector[mine].T @ slopes[mine].flatten(1)  # (3, 3 · n_columns)
        by_strain[number][:, :, portion.columns] += product.view(3, 3, -1)


def _stress(by_strain: Tensor, graph: AtomicGraph) -> Tensor:
    """Symmetrised, over the volume, (n_graphs, 6, n)."""
    symmetric = 0.5 * (by_strain + by_strain.transpose(1, 2))
    per_volume = (1.0 / volume(graph)).nan_to_num(nan=0.0).to(symmetric)
    return symmetric.flatten(1, 2)[:, list(VOIGT)] * per_volume[:, None, None]
