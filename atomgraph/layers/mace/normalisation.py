"""What sums over neighbours are divided by: their mean number in the training data, or their own density."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part
from atomgraph.ops.scatter import sum_to


class MeanNeighbours(Float64Buffers, Part):
    r""":math:`\bar n`, the mean number of neighbours of the atoms that have any; 1 until the training data were seen.

    It stays float64 whatever the model computes in.
    """

    number: Tensor
    _always_double = ("number",)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("number", torch.ones((), dtype=torch.float64))
        self._edges = self._atoms = 0

    def forward(self) -> Tensor:
        """The number, without dimensions."""
        return self.number

    def update_statistics(self, edges: Edges) -> None:
        """Count the edges of one more batch."""
        self._edges += edges.n_edges
        self._atoms += int((torch.bincount(edges.centre, minlength=edges.n_atoms) > 0).sum())

    def finalize(self) -> None:
        """All were seen."""
        if self._edges:
            self.number.fill_(self._edges / self._atoms)
        self._edges = self._atoms = 0


def edge_density(squared_of: Tensor, envelope: Tensor | None, edges: Edges) -> Tensor:
    r"""Density of neighbours, :math:`\rho_i = \sum_j f(r_{ij}) \tanh(q_{ij}^2)`, (n_atoms, 1).

    Args:
        squared_of: q, (n_edges, 1).
        envelope: f, (n_edges,), or None where q is faded out already.

    Source: MACE-MP-0b (Batatia et al., arXiv:2401.00096).
    """
    density = torch.tanh(squared_of.square())
    if envelope is not None:
        density = density * envelope[:, None]
    return sum_to(density, edges.centre, edges.n_atoms)
