"""Kernels of triples: an atom's pairs of bonds of one kind, each compared with a few. GAP's ``angle_3b``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.gap.kernel_cutoff import inner_of, rows_of, spread
from atomgraph.featurizers.triples import triples
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.protocols import Featurizer
from atomgraph.ops.cutoff import cosine_cutoff
from atomgraph.ops.scatter import sum_to


class TripleKernel(Featurizer):
    r"""An atom's pairs of bonds of one kind, each compared with a few.

    .. math::
        h_{is} &= 2 \delta^2 u_s \sum_{j<k} f_c(r_{ij}) f_c(r_{ik})\, e^{-\frac12 \sum_d (x_d - x_{sd})^2/\theta_d^2} \\
        x &= \big(r_{ij} + r_{ik},\; (r_{ij} - r_{ik})^2,\; r_{jk}\big)

    The 2 counts each pair of bonds in both orders. With a linear readout this is QUIP's ``angle_3b`` with ``ard_se``.

    Buffers, to be set: ``points`` (n_points, 3) :math:`x_s`; ``theta`` (3,) θ; ``delta`` (1,) δ; ``point_weight`` (n_points,)
    :math:`u_s`.

    Args:
        elements: Chemical symbols.
        cutoff: Å, of both bonds.
        centre: The element in the middle.
        neighbours: The two neighbouring elements, in either order.
        n_points: Triples compared with.
        envelope_width: Width in which :math:`f_c` falls from 1 to 0, Å.

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
        centre: str,
        neighbours: Sequence[str],
        n_points: int = 50,
        envelope_width: float = 0.6,
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        (self.centre,), self.neighbours = (
            rows_of(self.elements, [centre], 1, "centre"),
            rows_of(elements, neighbours, 2, "neighbours"),
        )
        self.inner = inner_of(cutoff, envelope_width)
        if n_points < 1:
            raise WiringError(f"a kernel needs at least one point, but n_points is {n_points}")
        self.irreps_out = o3.Irreps(f"{n_points}x0e")
        lengths = spread(0.6 * self.cutoff, 1.8 * self.cutoff, n_points)
        self.register_buffer("points", torch.stack([lengths, lengths / 8, lengths.flip(0)], dim=1))
        self.register_buffer("theta", torch.ones(3))
        self.register_buffer("delta", torch.ones(1))
        self.register_buffer("point_weight", torch.ones(n_points))

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_points), of δ²."""
        edges = edges.within(self.cutoff)
        portions = []
        fade = cosine_cutoff(edges.length, self.cutoff, self.inner)
        for first, second, coordinates, rows, n_atoms in self._triples(edges):
            kernel = torch.exp(-0.5 * self._squares(coordinates / self.theta, self.points / self.theta))
            portions.append(sum_to((fade[first] * fade[second])[:, None] * kernel, rows, n_atoms))
        return torch.cat(portions) * (2.0 * self.delta**2 * self.point_weight)

    def triples_of(self, edges: Edges) -> Tensor:
        """(n_triples, 3) coordinates x of the triples of this kind, each once."""
        return torch.cat([coordinates for _, _, coordinates, _, _ in self._triples(edges.within(self.cutoff))])

    @torch.no_grad()
    def place(self, points: Tensor) -> None:
        r"""Compare with these triples (n_points, 3), each with the weight :math:`u_s = f_c f_c` of its two bonds."""
        self.points.copy_(points)
        apart = points[:, 1].clamp_min(0.0).sqrt()
        bonds = torch.stack([0.5 * (points[:, 0] + apart), 0.5 * (points[:, 0] - apart)])
        self.point_weight.copy_(cosine_cutoff(bonds, self.cutoff, self.inner).prod(dim=0))

    @torch.no_grad()
    def leave_out(self, kept: Tensor) -> None:
        """Compare with the points of these indices only; the columns of the others are zero."""
        weight = torch.zeros_like(self.point_weight)
        weight[kept] = self.point_weight[kept]
        self.point_weight.copy_(weight)

    def _triples(self, edges: Edges) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, int]]:
        """Portions of triples: rows of their edges, coordinates, rows of their centres in the portion, its number of atoms."""
        neighbour = edges.element_of_neighbour
        first, second = self.neighbours
        for portion in triples(edges, at_once=2**18):
            left, right = portion.first, portion.second
            a, b = neighbour[left], neighbour[right]
            chosen = ((a == first) & (b == second)) | ((a == second) & (b == first))
            chosen &= edges.element[edges.centre[left]] == self.centre
            left, right = left[chosen], right[chosen]
            x, y = edges.length[left], edges.length[right]
            far = torch.linalg.vector_norm(edges.vector[left] - edges.vector[right], dim=1)
            coordinates = torch.stack([x + y, (x - y) ** 2, far], dim=1)
            yield left, right, coordinates, edges.centre[left] - portion.first_atom, portion.n_atoms

    def prior(self) -> Tensor:
        """K of the points, (n_points, n_points): what the weights of a Gaussian process are held by."""
        scaled = self.points / self.theta
        kernel = torch.exp(-0.5 * self._squares(scaled, scaled))
        return self.delta**2 * self.point_weight[:, None] * self.point_weight * kernel

    @staticmethod
    def _squares(x: Tensor, y: Tensor) -> Tensor:
        """(n, m) squared distances of rows."""
        return (x[:, None, 0] - y[:, 0]) ** 2 + (x[:, None, 1] - y[:, 1]) ** 2 + (x[:, None, 2] - y[:, 2]) ** 2
