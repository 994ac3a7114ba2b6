"""Design matrix: derivatives of energies, forces and stresses of structures with respect to linear weights."""

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
    r"""Derivatives by weights w of energies (n_graphs, n), forces (n_atoms, 3, n) and stresses (n_graphs, 6, n; Voigt order).

    .. math::
        E = \sum_i \phi_i \cdot w, \qquad F_a = -\sum_e \frac{\partial r_e}{\partial x_a} \frac{\partial \Phi}{\partial r_e}
        \cdot w, \qquad \sigma = \frac1V \sum_e r_e \otimes \frac{\partial \Phi}{\partial r_e} \cdot w

    Forces and stresses are None if they were not requested. Stresses of structures without volume are zero.
    """

    energy: Tensor
    forces: Tensor | None
    stress: Tensor | None


@torch.no_grad()
def design_matrix(unknowns: LinearWeights, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> Rows:
    """Rows of a structure or a batch, in the model's dtype, with the scale of the baseline."""
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
        energy -= _isolated_rows(unknowns, graph)
    return Rows(
        energy * scale,
        None if by_atom is None else by_atom.mul_(scale),
        None if by_strain is None else _stress(by_strain, graph) * scale,
    )


def _isolated_rows(unknowns: LinearWeights, graph: AtomicGraph) -> Tensor:
    """Rows of energies of the same atoms without neighbours, (n_graphs, n), without the scale."""
    bare = without_edges(graph)
    edges = unknowns.model.edges(bare)
    energy = edges.vector.new_zeros(graph.n_graphs, unknowns.n)
    for block in unknowns:
        energy += basis_sums(block, bare, edges, unknowns.n)
    return energy


def _add_forces(by_atom: Tensor, portion: Portion, edges: Edges) -> None:
    """Add forces: an edge vector points from neighbour to centre, so its gradient enters with opposite signs."""
    columns, gradients = portion.columns, portion.gradients
    part = by_atom[:, :, columns] if isinstance(columns, slice) else by_atom.new_zeros(len(by_atom), 3, len(columns))
    part.index_add_(0, edges.neighbour[portion.edges], gradients)
    if portion.centres is None or portion.sums is None:
        part.index_add_(0, edges.centre[portion.edges], gradients, alpha=-1)
    else:
        part.index_add_(0, portion.centres, portion.sums, alpha=-1)
    if not isinstance(columns, slice):
        by_atom.index_add_(2, columns, part)


def _add_strain(by_strain: Tensor, portion: Portion, edges: Edges, graph: AtomicGraph) -> None:
    vector, gradients = edges.vector[portion.edges], portion.gradients
    owner = graph.graph_of_atom[edges.centre[portion.edges]]
    for number in range(graph.n_graphs):
        rows = slice(None) if graph.n_graphs == 1 else owner == number
        product = vector[rows].T @ gradients[rows].flatten(1)  # (3, 3 · n_columns)
        by_strain[number][:, :, portion.columns] += product.view(3, 3, -1)


def _stress(by_strain: Tensor, graph: AtomicGraph) -> Tensor:
    """Symmetrised and divided by the volume, (n_graphs, 6, n)."""
    symmetric = 0.5 * (by_strain + by_strain.transpose(1, 2))
    per_volume = (1.0 / volume(graph)).nan_to_num(nan=0.0).to(symmetric)
    return symmetric.flatten(1, 2)[:, list(VOIGT)] * per_volume[:, None, None]
