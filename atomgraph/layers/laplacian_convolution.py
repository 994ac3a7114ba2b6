"""Laplacian convolution of the features of an atom and their differences from the neighbours' features."""

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
from atomgraph.ops.laplacian import check_laplacian, laplacian


class LaplacianConvolution(MessageLayer):
    r"""Laplacian convolution, :math:`h' = \sigma(h W - L h\, V + b)`: one diffusion step with trained channel matrices.

    The parameters ``own`` (W) and ``spread`` (V) have the shape (channels_in, channels_out).

    Args:
        irreps_in, irreps_out: Scalar features per atom before and after the layer, as a number or irreps (``0e``).
        cutoff: Cutoff radius, Å.
        laplacian: Type of the Laplacian L of the weighted graph, a name in ``ops/laplacian.py``.
        normalisation: Normalisation of L, a name in ``ops/laplacian.py``; use ``smooth`` for energies.
        activation: Name of the activation function σ, in ``nn.activation.ACTIVATIONS``.
        bias: Add a bias b, initially zero.
        adjacency: Edge weights :math:`w_{ij}`; the cutoff envelope f(r) if None.

    Raises:
        WiringError: If an argument is invalid, or the adjacency has other channels or a larger cutoff than the layer.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps | str | int,
        irreps_out: o3.Irreps | str | int,
        cutoff: float,
        laplacian: str = "symmetric",
        normalisation: str = "smooth",
        activation: str = "silu",
        bias: bool = True,
        adjacency: Adjacency | None = None,
    ):
        super().__init__()
        kind = type(self).__name__
        self.irreps_in, self.irreps_out = as_scalars(irreps_in, kind), as_scalars(irreps_out, kind)
        channels_in, channels_out, self.cutoff = self.irreps_in.dim, self.irreps_out.dim, float(cutoff)
        check_laplacian(laplacian, normalisation)
        self.laplacian, self.normalisation = laplacian, normalisation
        self.activation = get_activation(activation)
        self.adjacency = resolve_adjacency(channels_in, cutoff, adjacency)
        self.own = torch.nn.Parameter(torch.randn(channels_in, channels_out) / (2 * channels_in) ** 0.5)
        self.spread = torch.nn.Parameter(torch.randn(channels_in, channels_out) / (2 * channels_in) ** 0.5)
        self.bias = torch.nn.Parameter(torch.zeros(channels_out)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrices of the atom and of the differences."""
        return matrices(self, "own", "spread")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return new features, (n_atoms, irreps_out.dim), of features h, (n_atoms, irreps_in.dim)."""
        operator = laplacian(
            self.adjacency(edges), edges.centre, edges.neighbour, edges.n_atoms, self.laplacian, self.normalisation
        )
        diffused = h @ self.own - operator(h) @ self.spread
        return self.activation(diffused if self.bias is None else diffused + self.bias)
