"""Posterior: the covariance of weights from a closed-form fit, and standard deviations of energies from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.isolated import without_edges
from atomgraph.nn.edges import Edges
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.protocols import LinearReadout
from atomgraph.ops.scatter import sum_to

if TYPE_CHECKING:
    from atomgraph.models.energy import EnergyModel


class Posterior(Float64Buffers):
    r"""Normal distribution of the weights w of all linear readouts, with covariance F Fᵀ: :math:`\sigma_E = |\Phi^T F|`.

    The energy of a structure is linear in w with the basis :math:`\Phi = s \sum_i \phi_i`, s the scale of the baseline.

    Args:
        n_weights: Number of weights.
        m: Number of columns of the factor F.

    Attributes:
        factor: Factor F, (n_weights, m), float64 for models of any dtype; :math:`\Phi^T F` is in eV.
    """

    factor: Tensor
    _always_double = ("factor",)

    def __init__(self, n_weights: int, m: int):
        super().__init__()
        self.register_buffer("factor", torch.zeros(n_weights, m, dtype=torch.float64))

    @torch.no_grad()
    def forward(self, model: EnergyModel, graph: AtomicGraph) -> Tensor:
        """Compute standard deviations of the energies of structures, (n_graphs,), eV."""
        return torch.linalg.vector_norm(energy_basis(model, graph).double() @ self.factor, dim=1)


class PosteriorUncertainty:
    """Uncertainty estimator that uses the posterior of a model.

    Args:
        model: A model with a posterior.
    """

    def __init__(self, model: EnergyModel):
        self.model = model

    def energy_uncertainty(self, graph: AtomicGraph) -> Tensor:
        """Compute standard deviations of the energies of structures, (n_graphs,), eV.

        Args:
            graph: One structure, or a batch. Each structure has a head.
        """
        deviations: Tensor = self.model.posterior(self.model, graph)
        return deviations


def energy_basis(model: EnergyModel, graph: AtomicGraph) -> Tensor:
    """Compute the basis Φ of each structure, (n_graphs, n_weights), in the order of branches and readouts."""
    sums = _sum_all_bases(model, graph)
    if model.baseline.exact_isolated:
        sums = sums - _sum_all_bases(model, without_edges(graph))
    return sums * model.baseline.scale[0]  # a fit in closed form has one head


def _sum_all_bases(model: EnergyModel, graph: AtomicGraph) -> Tensor:
    """Sum the bases of all linear readouts over the atoms of each structure, (n_graphs, n_weights)."""
    edges = model.edges(graph)
    sums = []
    for branch in model.branches:
        branch_edges = edges.within(branch.cutoff)
        for readout, h in zip(branch.readouts, branch.features(graph, branch_edges), strict=True):
            if isinstance(readout, LinearReadout) and readout.n_unknowns:
                sums.append(basis_sums(readout, h, graph, branch_edges))
    return torch.cat(sums, dim=1)


def basis_sums(readout: LinearReadout, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
    """Sum the basis of one readout over the atoms of each structure, (n_graphs, n_unknowns)."""
    sums = h.new_zeros(graph.n_graphs, readout.n_unknowns)
    for element in torch.unique(edges.element).tolist():
        atoms = torch.nonzero(edges.element == element)[:, 0]
        basis = readout.basis(h[atoms], element)
        sums[:, readout.weight_slice(element)] += sum_to(basis, graph.graph_of_atom[atoms], graph.n_graphs)
    return sums
