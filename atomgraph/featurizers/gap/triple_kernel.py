"""Triple kernel, GAP's ``angle_3b``: pairs of bonds of a central atom, compared with sparse points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.gap.sparse_points import SparsePoints, element_rows, evenly_spaced, inner_radius
from atomgraph.featurizers.triples import iterate_triples
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.protocols import Featurizer
from atomgraph.old_names import OldAttribute
from atomgraph.ops.cutoff import cosine_cutoff
from atomgraph.ops.scatter import sum_to


class TripleKernel(SparsePoints, Featurizer):
    r"""Features of an atom from its pairs of bonds to two elements, compared with sparse points.

    .. math::
        h_{is} &= 2 \delta^2 u_s \sum_{j<k} f_c(r_{ij}) f_c(r_{ik})\, e^{-\frac12 \sum_d (x_d - x_{sd})^2/\theta_d^2} \\
        x &= \big(r_{ij} + r_{ik},\; (r_{ij} - r_{ik})^2,\; r_{jk}\big)

    The factor 2 counts each pair of bonds in both orders. With a linear readout this is QUIP's ``angle_3b`` with ``ard_se``.

    Buffers, which a fit or a file sets: ``points`` :math:`x_s`, (n_points, 3), Å, Å², Å; ``theta`` θ, (3,), the same units;
    ``delta`` δ, (1,), eV; ``point_weight`` :math:`u_s`, (n_points,), no unit.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius of both bonds, Å.
        centre: Chemical symbol of the central atom.
        neighbours: Chemical symbols of the two neighbours, in any order.
        n_points: Number of points :math:`x_s`.
        envelope_width: Width of the range in which :math:`f_c` decreases from 1 to 0, Å.

    Raises:
        WiringError: If an element is not in ``elements``, or envelope_width is larger than the cutoff.

    Source: Bartók and Csányi, Int. J. Quantum Chem. 115, 1051 (2015), and the program QUIP.
    """

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
            element_rows(self.elements, [centre], 1, "centre"),
            element_rows(elements, neighbours, 2, "neighbours"),
        )
        self.inner = inner_radius(cutoff, envelope_width)
        if n_points < 1:
            raise WiringError(f"a kernel needs at least one point, but n_points is {n_points}")
        self.irreps_out = o3.Irreps(f"{n_points}x0e")
        lengths = evenly_spaced(0.6 * self.cutoff, 1.8 * self.cutoff, n_points)
        self._register_points(torch.stack([lengths, lengths / 8, lengths.flip(0)], dim=1))

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, n_points), eV² (the unit of δ²)."""
        edges = edges.within(self.cutoff)
        sums = []
        envelope = cosine_cutoff(edges.length, self.cutoff, self.inner)
        for first_edge, second_edge, coordinates, rows, n_atoms in self._triples(edges):
            kernel = torch.exp(-0.5 * self._squared_distances(coordinates / self.theta, self.points / self.theta))
            sums.append(sum_to((envelope[first_edge] * envelope[second_edge])[:, None] * kernel, rows, n_atoms))
        return torch.cat(sums) * (2.0 * self.delta**2 * self.point_weight)

    def triple_coordinates(self, edges: Edges) -> Tensor:
        """Coordinates x of all triples of this kind, (n_triples, 3), Å, Å², Å; each triple occurs once."""
        return torch.cat([coordinates for _, _, coordinates, _, _ in self._triples(edges.within(self.cutoff))])

    @torch.no_grad()
    def set_points(self, points: Tensor) -> None:
        r"""Set the points, (n_points, 3), with the weights :math:`u_s = f_c(r_{ij}) f_c(r_{ik})` of their two bonds."""
        self.points.copy_(points)
        difference = points[:, 1].clamp_min(0.0).sqrt()
        bonds = torch.stack([0.5 * (points[:, 0] + difference), 0.5 * (points[:, 0] - difference)])
        self.point_weight.copy_(cosine_cutoff(bonds, self.cutoff, self.inner).prod(dim=0))

    def _triples(self, edges: Edges) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, int]]:
        """Iterate over the triples of this kind, in portions of consecutive atoms.

        Yields:
            Rows of both edges, (n_triples,) each; coordinates x, (n_triples, 3); row of the central atom in the portion,
            (n_triples,); and number of atoms of the portion.
        """
        neighbour = edges.element_of_neighbour
        a, b = self.neighbours
        for portion in iterate_triples(edges, portion_size=2**18):
            ij, ik = portion.first_edge, portion.second_edge
            z_j, z_k = neighbour[ij], neighbour[ik]
            mask = ((z_j == a) & (z_k == b)) | ((z_j == b) & (z_k == a))
            mask &= edges.element[edges.centre[ij]] == self.centre
            ij, ik = ij[mask], ik[mask]
            r_ij, r_ik = edges.length[ij], edges.length[ik]
            r_jk = torch.linalg.vector_norm(edges.vector[ij] - edges.vector[ik], dim=1)
            coordinates = torch.stack([r_ij + r_ik, (r_ij - r_ik) ** 2, r_jk], dim=1)
            yield ij, ik, coordinates, edges.centre[ij] - portion.first_atom, portion.n_atoms

    def prior(self) -> Tensor:
        """Kernel matrix K of the points, (n_points, n_points), for the prior of the weights: normal with covariance K⁻¹."""
        scaled = self.points / self.theta
        kernel = torch.exp(-0.5 * self._squared_distances(scaled, scaled))
        return self.delta**2 * self.point_weight[:, None] * self.point_weight * kernel

    @staticmethod
    def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
        """Squared distances between the rows of x, (n, 3), and of y, (m, 3); (n, m)."""
        return (x[:, None, 0] - y[:, 0]) ** 2 + (x[:, None, 1] - y[:, 1]) ** 2 + (x[:, None, 2] - y[:, 2]) ** 2

    ends = OldAttribute("neighbours")
    triples_of = OldAttribute("triple_coordinates")
    place = OldAttribute("set_points")
