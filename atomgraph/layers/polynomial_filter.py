"""Polynomial filter: a polynomial of the graph Laplacian, learned as weights of its powers."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.adjacency import Adjacency, adjacency_for
from atomgraph.nn.activation import activation_of
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import MessageLayer
from atomgraph.ops.laplacian import check_laplacian, laplacian
from atomgraph.ops.operator_polynomial import check_polynomial, polynomials


class PolynomialFilter(MessageLayer):
    r""":math:`h' = \sigma\big(\sum_{k=0}^K L^k h\, W_k + b\big)`: what an atom learns from atoms at most K hops away.

    ``weight`` is (K + 1, channels_in, channels_out), or (K + 1,) for scalars.

    Args:
        irreps_in, irreps_out: Scalars per atom before and after, their number or irreps (``0e``).
        cutoff: Å.
        degree: K, the highest power.
        basis: ``monomial``, or ``chebyshev``, which puts :math:`T_k(2L/\lambda_{max} - I)` for :math:`L^k`.
        laplacian, normalisation: Which Laplacian of the weighted graph (``ops/laplacian.py``); ``smooth`` is the one
            for energies.
        weights: ``matrix``, a channel matrix for each k, or ``scalar``, the lecture's :math:`p_w(L) = \sum_k w_k L^k`.
        activation: σ, one of ``silu``, ``tanh``, ``softplus``, ``identity``.
        bias: b, zero at first.
        lambda_max: Upper bound of the eigenvalues, a constant; 2 for all but the plain Laplacian, which has no bound of
            its own.
        adjacency: Weights of the edges; by default the envelope f(r).

    Raises:
        WiringError: For what does not fit.

    Source: Defferrard, Bresson and Vandergheynst, NeurIPS 2016; Daigavane et al., Distill (2021),
    10.23915/distill.00032.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps | str | int,
        irreps_out: o3.Irreps | str | int,
        cutoff: float,
        degree: int = 2,
        basis: str = "monomial",
        laplacian: str = "symmetric",
        normalisation: str = "smooth",
        weights: str = "matrix",
        activation: str = "silu",
        bias: bool = True,
        lambda_max: float | None = None,
        adjacency: Adjacency | None = None,
    ):
        super().__init__()
        kind = type(self).__name__
        self.irreps_in, self.irreps_out = as_scalars(irreps_in, kind), as_scalars(irreps_out, kind)
        channels_in, channels_out, self.cutoff = self.irreps_in.dim, self.irreps_out.dim, float(cutoff)
        if laplacian == "plain" and basis == "chebyshev" and lambda_max is None:
            raise WiringError("the plain Laplacian has no bound of its own: a Chebyshev filter of it needs lambda_max")
        if weights not in ("matrix", "scalar"):
            raise WiringError(f"weights should be matrix or scalar, but are {weights!r}")
        if weights == "scalar" and channels_in != channels_out:
            raise WiringError(f"scalar weights keep the channels, but {channels_in} should become {channels_out}")
        self.lambda_max = 2.0 if lambda_max is None else float(lambda_max)
        check_laplacian(laplacian, normalisation)
        check_polynomial(degree, basis, self.lambda_max)
        self.degree, self.basis, self.laplacian, self.normalisation = degree, basis, laplacian, normalisation
        self.activation = activation_of(activation)
        self.adjacency = adjacency_for(channels_in, cutoff, adjacency)
        shape = (degree + 1,) if weights == "scalar" else (degree + 1, channels_in, channels_out)
        fan_in = degree + 1 if weights == "scalar" else (degree + 1) * channels_in
        self.weight = torch.nn.Parameter(torch.randn(shape) / fan_in**0.5)
        self.bias = torch.nn.Parameter(torch.zeros(channels_out)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """A matrix for each power; none where powers have one number each."""
        return matrices(self, "weight")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim) to (n_atoms, irreps_out.dim)."""
        operator = laplacian(
            self.adjacency(edges), edges.centre, edges.neighbour, edges.n_atoms, self.laplacian, self.normalisation
        )
        terms = list(polynomials(operator, h, self.degree, self.basis, self.lambda_max))
        if self.weight.ndim == 1:
            filtered = torch.einsum("kic,k->ic", torch.stack(terms), self.weight)
        else:
            filtered = torch.cat(terms, dim=1) @ self.weight.flatten(0, 1)
        return self.activation(filtered if self.bias is None else filtered + self.bias)
