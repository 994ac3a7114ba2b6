"""Laplacian convolution: an atom's own features, and how they differ from its neighbours'."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.adjacency import Adjacency, adjacency_for
from atomgraph.nn.activation import activation_of
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import MessageLayer
from atomgraph.ops.laplacian import check_laplacian, laplacian


class LaplacianConvolution(MessageLayer):
    r""":math:`h' = \sigma(h W - L h\, V + b)`, one step of diffusion with learned channel matrices.

    ``own`` is W and ``spread`` V, both (channels_in, channels_out).

    Args:
        irreps_in, irreps_out: Scalars per atom before and after, their number or irreps (``0e``).
        cutoff: Å.
        laplacian, normalisation: Which Laplacian of the weighted graph (``ops/laplacian.py``); ``smooth`` is the one
            for energies.
        activation: σ, one of ``silu``, ``tanh``, ``softplus``, ``identity``.
        bias: b, zero at first.
        adjacency: Weights of the edges; by default the envelope f(r).

    Raises:
        WiringError: For what does not fit.
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
        self.activation = activation_of(activation)
        self.adjacency = adjacency_for(channels_in, cutoff, adjacency)
        self.own = torch.nn.Parameter(torch.randn(channels_in, channels_out) / (2 * channels_in) ** 0.5)
        self.spread = torch.nn.Parameter(torch.randn(channels_in, channels_out) / (2 * channels_in) ** 0.5)
        self.bias = torch.nn.Parameter(torch.zeros(channels_out)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """The matrices of the atom and of the differences."""
        return matrices(self, "own", "spread")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim) to (n_atoms, irreps_out.dim)."""
        operator = laplacian(
            self.adjacency(edges), edges.centre, edges.neighbour, edges.n_atoms, self.laplacian, self.normalisation
        )
        diffused = h @ self.own - operator(h) @ self.spread
        return self.activation(diffused if self.bias is None else diffused + self.bias)
