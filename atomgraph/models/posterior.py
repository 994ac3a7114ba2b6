"""What is known of the weights that were solved for, and so how sure a model is of a structure's energy."""

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
    r"""A Gaussian of the weights w of all readouts that can be solved for: :math:`\sigma_E = |\Phi^T F|`, cov(w) = F Fᵀ.

    :math:`\Phi = s \sum_i \phi_i` of a structure is what its energy is linear in, s the baseline's scale.

    Args:
        factor: F, (n_weights, m), eV in units of the weights; float64 whatever the model computes in.
    """

    factor: Tensor
    _always_double = ("factor",)

    def __init__(self, n_weights: int, m: int):
        super().__init__()
        self.register_buffer("factor", torch.zeros(n_weights, m, dtype=torch.float64))

    @torch.no_grad()
    def forward(self, model: EnergyModel, graph: AtomicGraph) -> Tensor:
        """(n_graphs,) standard deviations of the energies of structures, eV."""
        return torch.linalg.vector_norm(energy_basis(model, graph).double() @ self.factor, dim=1)


class PosteriorUncertainty:
    """The estimator of a model's own posterior (``Potential.uncertainty``).

    Args:
        model: With a posterior.
    """

    def __init__(self, model: EnergyModel):
        self.model = model

    def energy_uncertainty(self, graph: AtomicGraph) -> Tensor:
        """Standard deviations of energies, (n_graphs,), eV.

        Args:
            graph: One structure, or a batch; its heads are chosen.
        """
        deviations: Tensor = self.model.posterior(self.model, graph)
        return deviations


def energy_basis(model: EnergyModel, graph: AtomicGraph) -> Tensor:
    """(n_graphs, n_weights): Φ of each structure, in the order of branches and their readouts."""
    sums = _basis_of_all(model, graph)
    if model.baseline.exact_isolated:
        sums = sums - _basis_of_all(model, without_edges(graph))
    return sums * model.baseline.scale[0]


def _basis_of_all(model: EnergyModel, graph: AtomicGraph) -> Tensor:
    """(n_graphs, n_weights): the basis of all readouts summed over the atoms of each structure."""
    edges = model.edges(graph)
    parts = []
    for branch in model.branches:
        near = edges.within(branch.cutoff)
        for readout, h in zip(branch.readouts, branch.features(graph, near), strict=True):
            if isinstance(readout, LinearReadout) and readout.n_unknowns:
                parts.append(basis_sums(readout, h, graph, near))
    return torch.cat(parts, dim=1)


def basis_sums(readout: LinearReadout, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
    """(n_graphs, n_unknowns): the basis of one readout summed over the atoms of each structure."""
    sums = h.new_zeros(graph.n_graphs, readout.n_unknowns)
    for element in torch.unique(edges.element).tolist():
        atoms = torch.nonzero(edges.element == element)[:, 0]
        basis = readout.basis(h[atoms], element)
        sums[:, readout.weight_slice(element)] += sum_to(basis, graph.graph_of_atom[atoms], graph.n_graphs)
    return sums
