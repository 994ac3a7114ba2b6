"""Design matrix: derivatives of energies, forces and stresses of structures with respect to linear weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.edge_jacobian import JacobianChunk, basis_sums, jacobian_chunks
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import VOIGT, AtomicGraph
from atomgraph.models.isolated import without_edges
from atomgraph.nn.edges import Edges
from atomgraph.old_names import old_names_of


@dataclass(frozen=True, eq=False)
class DesignMatrix:
    r"""Derivatives of energies, forces and stresses with respect to the weights w.

    .. math::
        E = \sum_i \phi_i \cdot w, \qquad F_a = -\sum_e \frac{\partial r_e}{\partial x_a} \frac{\partial \Phi}{\partial r_e}
        \cdot w, \qquad \sigma = \frac1V \sum_e r_e \otimes \frac{\partial \Phi}{\partial r_e} \cdot w

    with the basis functions φ_i of atom i, Φ = Σ_i φ_i, positions x_a, and edge vectors r_e from neighbour to centre.

    Attributes:
        energy: Derivatives of energies, (n_graphs, n), eV.
        forces: Derivatives of forces, (n_atoms, 3, n), eV/Å; None if not requested.
        stress: Derivatives of stresses, (n_graphs, 6, n), eV/Å³, in Voigt order; None if not requested. Values of structures
            without volume are zero.
    """

    energy: Tensor
    forces: Tensor | None
    stress: Tensor | None


@torch.no_grad()
def design_matrix(
    unknowns: LinearWeights, graph: AtomicGraph, *, forces: bool = True, stress: bool = True
) -> DesignMatrix:
    """Return the design matrix of a structure or a batch, in the dtype of the model, with the scale of the baseline.

    Args:
        unknowns: Linear weights of the model.
        graph: Structure or batch.
        forces: Compute rows of forces.
        stress: Compute rows of stresses.
    """
    model = unknowns.model
    edges = model.edges(graph)
    scale = model.baseline.scale[0].to(model.dtype)
    n_atoms, n_graphs = graph.n_atoms, graph.n_graphs
    energy = edges.vector.new_zeros(n_graphs, unknowns.n)
    force_rows = edges.vector.new_zeros(n_atoms, 3, unknowns.n) if forces else None
    strain_rows = edges.vector.new_zeros(n_graphs, 3, 3, unknowns.n) if stress else None
    for block in unknowns:
        branch_edges = edges.within(block.branch.cutoff)
        energy += basis_sums(block, graph, branch_edges, unknowns.n)
        if force_rows is None and strain_rows is None:
            continue
        for chunk in jacobian_chunks(block, graph, branch_edges):
            if force_rows is not None:
                _add_forces(force_rows, chunk, branch_edges)
            if strain_rows is not None:
                _add_strain(strain_rows, chunk, branch_edges, graph)
    if model.baseline.exact_isolated:
        energy -= _isolated_energy_rows(unknowns, graph)
    return DesignMatrix(
        energy * scale,
        None if force_rows is None else force_rows.mul_(scale),
        None if strain_rows is None else _stress(strain_rows, graph) * scale,
    )


def _isolated_energy_rows(unknowns: LinearWeights, graph: AtomicGraph) -> Tensor:
    """Return the rows of energies of the same atoms without neighbours, (n_graphs, n), without the scale of the baseline."""
    isolated_atoms = without_edges(graph)
    edges = unknowns.model.edges(isolated_atoms)
    energy = edges.vector.new_zeros(graph.n_graphs, unknowns.n)
    for block in unknowns:
        energy += basis_sums(block, isolated_atoms, edges, unknowns.n)
    return energy


def _add_forces(force_rows: Tensor, chunk: JacobianChunk, edges: Edges) -> None:
    """Add a chunk to the derivatives of forces; edge vectors point from neighbour to centre, hence the two signs."""
    columns, gradients = chunk.columns, chunk.gradients
    part = (  # a view for a slice; otherwise a new tensor that is added at the end
        force_rows[:, :, columns]
        if isinstance(columns, slice)
        else force_rows.new_zeros(len(force_rows), 3, len(columns))
    )
    part.index_add_(0, edges.neighbour[chunk.edges], gradients)
    if chunk.centres is None or chunk.sums is None:
        part.index_add_(0, edges.centre[chunk.edges], gradients, alpha=-1)
    else:
        part.index_add_(0, chunk.centres, chunk.sums, alpha=-1)
    if not isinstance(columns, slice):
        force_rows.index_add_(2, columns, part)


def _add_strain(strain_rows: Tensor, chunk: JacobianChunk, edges: Edges, graph: AtomicGraph) -> None:
    """Add a chunk to the derivatives of energies with respect to strain."""
    vector, gradients = edges.vector[chunk.edges], chunk.gradients
    graph_of_edge = graph.graph_of_atom[edges.centre[chunk.edges]]
    for graph_index in range(graph.n_graphs):
        rows = slice(None) if graph.n_graphs == 1 else graph_of_edge == graph_index
        product = vector[rows].T @ gradients[rows].flatten(1)  # (3, 3 · n_columns)
        strain_rows[graph_index][:, :, chunk.columns] += product.view(3, 3, -1)


def _stress(strain_rows: Tensor, graph: AtomicGraph) -> Tensor:
    """Return the derivatives of stresses, (n_graphs, 6, n), in Voigt order."""
    symmetric = 0.5 * (strain_rows + strain_rows.transpose(1, 2))
    per_volume = (1.0 / volume(graph)).nan_to_num(nan=0.0).to(symmetric)
    return symmetric.flatten(1, 2)[:, list(VOIGT)] * per_volume[:, None, None]


__getattr__ = old_names_of(__name__)
