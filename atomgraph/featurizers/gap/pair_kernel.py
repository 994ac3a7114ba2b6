"""Kernels of pairs: an atom's bonds of one kind, each compared with a few lengths. GAP's ``distance_2b``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.density import DensityFeaturizer, Terms
from atomgraph.featurizers.gap.kernel_cutoff import inner_of, rows_of, spread
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.ops.cutoff import cosine_cutoff
from atomgraph.ops.scatter import sum_to

SPACINGS = 1.75  # θ in distances between points: 2.25 has the same errors and weights a hundred times as large


class PairKernel(DensityFeaturizer):
    r""":math:`h_{is} = \delta^2 u_s \sum_j f_c(r_{ij})\, e^{-(r_{ij} - r_s)^2 / 2\theta^2}` over bonds of one kind.

    Each bond is seen from both its ends. With a linear readout this is QUIP's ``distance_2b`` with its kernel ``ard_se``.

    Buffers, to be set: ``points`` (n_points,) :math:`r_s` in Å, spread over the cutoff at first; ``theta`` (1,) θ in Å;
    ``delta`` (1,) δ; ``point_weight`` (n_points,) :math:`u_s`.

    Args:
        elements: Chemical symbols.
        cutoff: Å.
        pair: The two elements that make the bond, in either order.
        n_points: Lengths compared with.
        envelope_width: Width in which :math:`f_c` falls from 1 to 0, Å.
        theta: θ, Å; None: 1.75 times the mean distance between neighbouring points, wherever they are placed.

    Raises:
        WiringError: For other elements than the model's, or an envelope_width longer than the cutoff.

    Source: Bartók and Csányi, Int. J. Quantum Chem. 115, 1051 (2015), and the program QUIP.
    """

    points: Tensor
    theta: Tensor
    delta: Tensor
    point_weight: Tensor

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        pair: Sequence[str],
        n_points: int = 20,
        envelope_width: float = 1.0,
        theta: float | None = 1.0,
    ):
        super().__init__()
        if theta is not None and not 0 < theta < float("inf"):
            raise WiringError(f"theta of a kernel of pairs should be positive, in Å, or None, but is {theta}")
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.pair = rows_of(self.elements, pair, 2, "pair")
        self.inner = inner_of(cutoff, envelope_width)
        if n_points < 1:
            raise WiringError(f"a kernel needs at least one point, but n_points is {n_points}")
        self.n_channels, self.n_functions = 1, n_points
        self.irreps_out = o3.Irreps(f"{n_points}x0e")
        self.register_buffer("points", spread(0.2 * self.cutoff, self.cutoff, n_points))
        self.register_buffer("theta", torch.ones(1))
        self.register_buffer("delta", torch.ones(1))
        self.register_buffer("point_weight", torch.ones(n_points))
        self._given_theta = theta
        self._set_theta()

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_points), of δ²."""
        terms = self.terms(edges)
        return sum_to(terms.values, edges.centre[terms.rows], edges.n_atoms)

    def terms(self, edges: Edges) -> Terms:
        """What each bond gives to h."""
        rows = self.bonds(edges)
        length = edges.length.index_select(0, rows)
        fade = cosine_cutoff(length, self.cutoff, self.inner)
        values = fade[:, None] * torch.exp(-0.5 * ((length[:, None] - self.points) / self.theta) ** 2)
        return Terms(rows, torch.zeros_like(rows), values * (self.delta**2 * self.point_weight))

    def bonds(self, edges: Edges) -> Tensor:
        """Rows of the edges that are bonds of this kind inside the cutoff."""
        left, right = edges.element_of_centre, edges.element_of_neighbour
        first, second = self.pair
        chosen = ((left == first) & (right == second)) | ((left == second) & (right == first))
        return torch.nonzero(chosen & (edges.length < self.cutoff))[:, 0]

    @torch.no_grad()
    def place(self, points: Tensor) -> None:
        r"""Compare with these lengths (n_points,), Å, each with the weight :math:`u_s = f_c(r_s)` that QUIP gives it."""
        self.points.copy_(points)
        self.point_weight.copy_(cosine_cutoff(points, self.cutoff, self.inner))
        self._set_theta()

    def _set_theta(self) -> None:
        if self._given_theta is not None:
            self.theta.fill_(self._given_theta)
        elif len(self.points) > 1:
            spacing = (self.points.max() - self.points.min()) / (len(self.points) - 1)
            self.theta.copy_((SPACINGS * spacing).clamp_min(1e-3)[None])

    @torch.no_grad()
    def leave_out(self, kept: Tensor) -> None:
        """Compare with the points of these indices only; the columns of the others are zero."""
        weight = torch.zeros_like(self.point_weight)
        weight[kept] = self.point_weight[kept]
        self.point_weight.copy_(weight)

    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        return density[:, 0]

    def prior(self) -> Tensor:
        """K of the points, (n_points, n_points): what the weights of a Gaussian process are held by."""
        kernel = torch.exp(-0.5 * ((self.points[:, None] - self.points) / self.theta) ** 2)
        return self.delta**2 * self.point_weight[:, None] * self.point_weight * kernel
