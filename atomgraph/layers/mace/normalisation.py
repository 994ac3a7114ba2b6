"""Divisors of sums over neighbours: the mean number of neighbours in the training data, or the neighbour density."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.layers.mean_neighbours import MeanNeighbours
from atomgraph.nn.edges import Edges
from atomgraph.old_names import old_names_of
from atomgraph.ops.scatter import sum_to

__all__ = ["MeanNeighbours", "neighbour_density"]


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
