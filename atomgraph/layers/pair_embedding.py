"""Invariant features of pairs of atoms, from their distance and their elements: the start of Allegro's layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.equivariant.radial_network import ScaledMLP
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.pair_cutoffs import PairCutoffs
from atomgraph.nn.part import Part


class BesselPairEmbedding(Part):
    r"""Features of pairs, :math:`y_{ij} = [a_i, b_j] \odot (e(r_{ij}) W / \sqrt K)`.

    The features of an atom are the vector (a, b): a is used if the atom is the centre, b if it is the neighbour. e is the
    radial embedding with K functions.

    Args:
        channels: Number of features of an atom and of a pair, even.
        radial: Radial embedding whose functions vanish at the cutoff.

    Raises:
        WiringError: If the number of channels is odd, or the envelope of the radial embedding is not on its features.

    Source: Musaelian et al., Nat. Commun. 14, 579 (2023); the program nequip-allegro 0.8, ``TwoBodyBesselScalarEmbed``.
    """

    def __init__(self, channels: int, radial: RadialEmbedding):
        super().__init__()
        if channels < 2 or channels % 2 or radial.envelope_on != "features":
            raise WiringError(
                "a BesselPairEmbedding needs an even number of channels and a radial embedding with envelope_on: features, "
                f"but has {channels} and envelope_on: {radial.envelope_on}"
            )
        self.channels, self.radial = channels, radial
        self.network = ScaledMLP([radial.n_radial, channels])

    def forward(self, h: Tensor, edges: Edges) -> Tensor:
        """Return features of pairs, (n_edges, channels), from features h of atoms, (n_atoms, channels)."""
        features, _ = self.radial(edges)
        half = self.channels // 2
        centre, neighbour = h[:, :half][edges.centre], h[:, half:][edges.neighbour]
        return torch.cat([centre, neighbour], dim=1) * self.network(features)


class SplinePairEmbedding(Part):
    r"""Features of pairs, :math:`y_{ij c} = \sum_s W_{z_i z_j c s}\, g_s(r_{ij}/r_c)`, with local basis functions g.

    .. math:: g_s(u) = \tfrac14 \Big(1 - \cos\frac{2\pi (u - l_s)}{w}\Big)^2 \;\text{for } l_s < u < l_s + w, \quad
              l_s = \frac{s - P}{G}, \quad w = \frac{P + 1}{G}, \quad s = 0 \dots G-1

    The parameter ``weight`` (W) is (n_elements², channels · G); row :math:`z_i n_{elements} + z_j`, and s changes fastest.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        channels: Number of features of a pair.
        n_splines: Number G of functions.
        span: Number P, which determines the width of the functions.
        pair_cutoffs: Smaller cutoffs for pairs of elements; None: one cutoff for all pairs.

    Raises:
        WiringError: If a number is below one.

    Source: The program nequip-allegro 0.8, ``TwoBodySplineScalarEmbed``.
    """

    group = "radial"

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        channels: int,
        n_splines: int = 8,
        span: int = 6,
        pair_cutoffs: PairCutoffs | None = None,
    ):
        super().__init__()
        if min(channels, n_splines, span) < 1:
            raise WiringError(f"channels, n_splines and span must be positive, but are {channels}, {n_splines}, {span}")
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.channels, self.n_splines, self.span = channels, n_splines, span
        self.pair_cutoffs: Any = pair_cutoffs
        self._lower = Constants(lower=[(s - span) / n_splines for s in range(n_splines)])
        self.weight = torch.nn.Parameter(torch.randn(len(self.elements) ** 2, channels * n_splines))

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the table as a linear map of one-hot pairs of elements."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Rows of the pairs of the new elements."""
        n = len(self.elements)
        return {"weight": self.weight[[i * n + j for i in edit.rows for j in edit.rows]]}

    def forward(self, h: Tensor, edges: Edges) -> Tensor:
        """Return features of pairs, (n_edges, channels); the features h of atoms are not used."""
        exact = edges.exact
        length = exact.length if self.pair_cutoffs is None else self.pair_cutoffs(exact)
        u = (length / self.cutoff)[:, None]
        lower, width = self._lower.like(u)["lower"], (self.span + 1) / self.n_splines
        phase = (torch.minimum(torch.maximum(u, lower), lower + width) - lower) * (2.0 * math.pi / width)
        basis = (0.25 * (1.0 - torch.cos(phase)).square()).to(self.weight.dtype)  # (n_edges, n_splines)
        pair = edges.element_of_centre * len(self.elements) + edges.element_of_neighbour
        table = self.weight.unflatten(1, (self.channels, self.n_splines))
        return torch.einsum("ecs,es->ec", table[pair], basis)
