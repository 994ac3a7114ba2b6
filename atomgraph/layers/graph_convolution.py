"""Graph convolution of the features of an atom and the mean features of its neighbours."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.adjacency import Adjacency, resolve_adjacency
from atomgraph.nn.activation import get_activation
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import MessageLayer
from atomgraph.ops.laplacian import check_laplacian, mean_of_neighbours


class GraphConvolution(MessageLayer):
    r"""Graph convolution, :math:`h'_i = \sigma(\bar h_i W + h_i B + b)`.

    .. math:: \bar h_i = \sum_j w_{ij} h_j / (1 + \sum_j w_{ij})

    for the normalisation ``smooth``. The parameters ``mean`` (W, for the mean of the neighbours) and ``own`` (B, for the
    atom) have the shape (channels_in, channels_out).

    Args:
        irreps_in, irreps_out: Scalar features per atom before and after the layer, as a number or irreps (``0e``).
        cutoff: Cutoff radius, Å.
        normalisation: Divisor of the sum, a name in ``ops/laplacian.py``; use ``smooth`` for energies.
        activation: Name of the activation function σ, in ``nn.activation.ACTIVATIONS``.
        bias: Add a bias b, initially zero.
        adjacency: Edge weights :math:`w_{ij}`; the cutoff envelope f(r) if None.

    Raises:
        WiringError: If an argument is invalid, or the adjacency has other channels or a larger cutoff than the layer.

    Source: Daigavane et al., Distill (2021), 10.23915/distill.00032; Hamilton, Ying and Leskovec, NeurIPS 2017.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps | str | int,
        irreps_out: o3.Irreps | str | int,
        cutoff: float,
        normalisation: str = "smooth",
        activation: str = "silu",
        bias: bool = True,
        adjacency: Adjacency | None = None,
    ):
        super().__init__()
        kind = type(self).__name__
        self.irreps_in, self.irreps_out = as_scalars(irreps_in, kind), as_scalars(irreps_out, kind)
        channels_in, channels_out, self.cutoff = self.irreps_in.dim, self.irreps_out.dim, float(cutoff)
        check_laplacian("random_walk", normalisation)
        self.normalisation = normalisation
        self.activation = get_activation(activation)
        self.adjacency = resolve_adjacency(channels_in, cutoff, adjacency)
        self.mean = torch.nn.Parameter(torch.randn(channels_in, channels_out) / (2 * channels_in) ** 0.5)
        self.own = torch.nn.Parameter(torch.randn(channels_in, channels_out) / (2 * channels_in) ** 0.5)
        self.bias = torch.nn.Parameter(torch.zeros(channels_out)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrices of the neighbours and of the atom."""
        return matrices(self, "mean", "own")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return new features, (n_atoms, irreps_out.dim), of features h, (n_atoms, irreps_in.dim)."""
        average = mean_of_neighbours(h, self.adjacency(edges), edges.centre, edges.neighbour, self.normalisation)
        combined = average @ self.mean + h @ self.own
        return self.activation(combined if self.bias is None else combined + self.bias)
