"""Pair kernel, GAP's ``distance_2b``: bonds between two elements, compared with sparse points."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.density import DensityFeaturizer, DensityTerms
from atomgraph.featurizers.gap.sparse_points import SparsePoints, element_rows, evenly_spaced, inner_radius
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.cutoff import cosine_cutoff
from atomgraph.ops.scatter import sum_to

THETA_PER_SPACING = 1.75  # with 2.25 instead, errors are equal and weights a hundred times as large


class PairKernel(SparsePoints, DensityFeaturizer):
    r"""Features of an atom from its bonds between two elements, compared with sparse points.

    .. math:: h_{is} = \delta^2 u_s \sum_j f_c(r_{ij})\, e^{-(r_{ij} - r_s)^2 / 2\theta^2}

    Each bond contributes to the features of both atoms. With a linear readout this is QUIP's ``distance_2b`` with its kernel
    ``ard_se``.

    Buffers, which a fit or a file sets: ``points`` :math:`r_s`, (n_points,), Å, evenly spaced at first; ``theta`` θ, (1,), Å;
    ``delta`` δ, (1,), eV; ``point_weight`` :math:`u_s`, (n_points,), no unit.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        pair: Chemical symbols of the two atoms of the bond, in any order.
        n_points: Number of points :math:`r_s`.
        envelope_width: Width of the range in which :math:`f_c` decreases from 1 to 0, Å.
        theta: Length scale θ, Å; None: 1.75 times the mean distance between neighbouring points, also after the points are
            changed.

    Raises:
        WiringError: If an element is not in ``elements``, or envelope_width is larger than the cutoff.

    Source: Bartók and Csányi, Int. J. Quantum Chem. 115, 1051 (2015), and the program QUIP.
    """

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
        self.pair = element_rows(self.elements, pair, 2, "pair")
        self.inner = inner_radius(cutoff, envelope_width)
        if n_points < 1:
            raise WiringError(f"a kernel needs at least one point, but n_points is {n_points}")
        self.n_channels, self.n_functions = 1, n_points
        self.irreps_out = o3.Irreps(f"{n_points}x0e")
        self._register_points(evenly_spaced(0.2 * self.cutoff, self.cutoff, n_points))
        self._theta_argument = theta
        self._set_theta()

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, n_points), eV² (the unit of δ²)."""
        terms = self.density_terms(edges)
        return sum_to(terms.values, edges.centre[terms.rows], edges.n_atoms)

    def density_terms(self, edges: Edges) -> DensityTerms:
        """Contribution of each bond to h."""
        rows = self.bond_rows(edges)
        length = edges.length.index_select(0, rows)
        envelope = cosine_cutoff(length, self.cutoff, self.inner)
        values = envelope[:, None] * torch.exp(-0.5 * ((length[:, None] - self.points) / self.theta) ** 2)
        return DensityTerms(rows, torch.zeros_like(rows), values * (self.delta**2 * self.point_weight))

    def bond_rows(self, edges: Edges) -> Tensor:
        """Rows of the edges that are bonds of this kind inside the cutoff, (n_bonds,)."""
        centre, neighbour = edges.element_of_centre, edges.element_of_neighbour
        a, b = self.pair
        mask = ((centre == a) & (neighbour == b)) | ((centre == b) & (neighbour == a))
        return torch.nonzero(mask & (edges.length < self.cutoff))[:, 0]

    @torch.no_grad()
    def set_points(self, points: Tensor) -> None:
        r"""Set the points, (n_points,), Å, with QUIP's weights :math:`u_s = f_c(r_s)`."""
        self.points.copy_(points)
        self.point_weight.copy_(cosine_cutoff(points, self.cutoff, self.inner))
        self._set_theta()

    def _set_theta(self) -> None:
        if self._theta_argument is not None:
            self.theta.fill_(self._theta_argument)
        elif len(self.points) > 1:
            spacing = (self.points.max() - self.points.min()) / (len(self.points) - 1)
            self.theta.copy_((THETA_PER_SPACING * spacing).clamp_min(1e-3)[None])

    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        return density[:, 0]

    def prior(self) -> Tensor:
        """Kernel matrix of the points, (n_points, n_points): the inverse prior covariance of a Gaussian process's weights."""
        kernel = torch.exp(-0.5 * ((self.points[:, None] - self.points) / self.theta) ** 2)
        return self.delta**2 * self.point_weight[:, None] * self.point_weight * kernel

    bonds = OldAttribute("bond_rows")
    place = OldAttribute("set_points")


__getattr__ = old_names_of(__name__)
