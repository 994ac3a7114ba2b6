"""Polynomial filter: a polynomial of the graph Laplacian with trained coefficients."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.adjacency import Adjacency, resolve_adjacency
from atomgraph.nn.activation import get_activation
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import MessageLayer
from atomgraph.ops.laplacian import check_laplacian, laplacian
from atomgraph.ops.operator_polynomial import check_polynomial, polynomials


class PolynomialFilter(MessageLayer):
    r"""Polynomial filter, :math:`h' = \sigma\big(\sum_{k=0}^K L^k h\, W_k + b\big)`.

    New features of an atom depend on atoms up to K edges away. The parameter ``weight`` has the shape
    (K + 1, channels_in, channels_out), or (K + 1,) for scalar weights.

    Args:
        irreps_in, irreps_out: Scalar features per atom before and after the layer, as a number or irreps (``0e``).
        cutoff: Cutoff radius, Å.
        degree: Degree K of the polynomial.
        basis: ``monomial`` for :math:`L^k`, or ``chebyshev`` for :math:`T_k(2L/\lambda_{max} - I)`.
        laplacian: Type of the Laplacian L of the weighted graph, a name in ``ops/laplacian.py``.
        normalisation: Normalisation of L, a name in ``ops/laplacian.py``; use ``smooth`` for energies.
        weights: ``matrix`` for a channel matrix for each k, or ``scalar`` for :math:`p_w(L) = \sum_k w_k L^k`.
        activation: Name of the activation function σ, in ``nn.activation.ACTIVATIONS``.
        bias: Add a bias b, initially zero.
        lambda_max: Upper bound of the eigenvalues of L, for the basis ``chebyshev``; 2 if None. The plain Laplacian has no
            general bound, so a Chebyshev filter of this type needs the argument.
        adjacency: Edge weights :math:`w_{ij}`; the cutoff envelope f(r) if None.

    Raises:
        WiringError: If an argument is invalid, or the adjacency has other channels or a larger cutoff than the layer.

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
            raise WiringError(
                "the plain Laplacian has no general bound of its eigenvalues; give lambda_max for a Chebyshev filter"
            )
        if weights not in ("matrix", "scalar"):
            raise WiringError(f"weights should be matrix or scalar, but are {weights!r}")
        if weights == "scalar" and channels_in != channels_out:
            raise WiringError(
                f"scalar weights need equal numbers of channels, but irreps_in has {channels_in} and irreps_out {channels_out}"
            )
        self.lambda_max = 2.0 if lambda_max is None else float(lambda_max)
        check_laplacian(laplacian, normalisation)
        check_polynomial(degree, basis, self.lambda_max)
        self.degree, self.basis, self.laplacian, self.normalisation = degree, basis, laplacian, normalisation
        self.activation = get_activation(activation)
        self.adjacency = resolve_adjacency(channels_in, cutoff, adjacency)
        shape = (degree + 1,) if weights == "scalar" else (degree + 1, channels_in, channels_out)
        fan_in = degree + 1 if weights == "scalar" else (degree + 1) * channels_in
        self.weight = torch.nn.Parameter(torch.randn(shape) / fan_in**0.5)
        self.bias = torch.nn.Parameter(torch.zeros(channels_out)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrix of each power; empty for scalar weights."""
        return matrices(self, "weight")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return new features, (n_atoms, irreps_out.dim), of features h, (n_atoms, irreps_in.dim)."""
        operator = laplacian(
            self.adjacency(edges), edges.centre, edges.neighbour, edges.n_atoms, self.laplacian, self.normalisation
        )
        terms = list(polynomials(operator, h, self.degree, self.basis, self.lambda_max))
        if self.weight.ndim == 1:
            filtered = torch.einsum("kic,k->ic", torch.stack(terms), self.weight)
        else:
            filtered = torch.cat(terms, dim=1) @ self.weight.flatten(0, 1)
        return self.activation(filtered if self.bias is None else filtered + self.bias)
