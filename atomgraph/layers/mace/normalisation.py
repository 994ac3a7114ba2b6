"""Divisors of sums over neighbours: the mean number of neighbours in the training data, or the neighbour density."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.scatter import sum_to


class MeanNeighbours(Float64Buffers, Part):
    r"""Mean number of neighbours :math:`\bar n` in the training data, over atoms with at least one neighbour.

    The number is 1 before calibration, and float64 for models of any dtype.
    """

    number: Tensor
    _always_double = ("number",)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("number", torch.ones((), dtype=torch.float64))
        self._edges = self._atoms = 0

    def forward(self) -> Tensor:
        """Return :math:`\\bar n`, a tensor of shape ()."""
        return self.number

    def update_statistics(self, edges: Edges) -> None:
        """Count edges, and atoms with neighbours, in a batch of the training data."""
        self._edges += edges.n_edges
        self._atoms += int((torch.bincount(edges.centre, minlength=edges.n_atoms) > 0).sum())

    def finalize(self) -> None:
        """Set the number from all batches."""
        if self._edges:
            self.number.fill_(self._edges / self._atoms)
        self._edges = self._atoms = 0

    observe = OldAttribute("update_statistics")
    settle = OldAttribute("finalize")


def neighbour_density(q: Tensor, envelope: Tensor | None, edges: Edges) -> Tensor:
    r"""Return the neighbour density :math:`\rho_i = \sum_j f(r_{ij}) \tanh(q_{ij}^2)`, (n_atoms, 1).

    Args:
        q: Output of the density network, (n_edges, 1).
        envelope: Cutoff envelope f, (n_edges,); None if q vanishes at the cutoff.
        edges: Edges of the graph.

    Source: MACE-MP-0b (Batatia et al., arXiv:2401.00096).
    """
    density = torch.tanh(q.square())
    if envelope is not None:
        density = density * envelope[:, None]
    return sum_to(density, edges.centre, edges.n_atoms)


__getattr__ = old_names_of(__name__)
