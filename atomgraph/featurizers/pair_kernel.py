"""Kernels of pairs: an atom's bonds of one kind, each compared with a few lengths. GAP's ``distance_2b``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.kernel_cutoff import inner_of, rows_of, spread
from atomgraph.nn.sisters import Featurizer
from atomgraph.ops.cutoff import cosine_cutoff
from atomgraph.ops.scatter import sum_to


class PairKernel(Featurizer):
    r""":math:`h_{is} = \delta^2 u_s \sum_j f_c(r_{ij})\, e^{-(r_{ij} - r_s)^2 / 2\theta^2}` over bonds of one kind.

    Each bond is seen from both its ends. With a linear readout this is QUIP's ``distance_2b`` with its kernel ``ard_se``.

    elements: chemical symbols.  cutoff: Å.  pair: the two elements that make the bond, in either order.
    n_points: lengths compared with.  transition: width in which :math:`f_c` falls from 1 to 0, Å.
    Buffers, to be set: ``points`` (n_points,) :math:`r_s` in Å, spread over the cutoff at first; ``theta`` (1,) θ in Å;
    ``delta`` (1,) δ; ``point_weight`` (n_points,) :math:`u_s`.
    Raises WiringError for other elements than the model's, or a transition longer than the cutoff.
    Source: Bartók and Csányi, Int. J. Quantum Chem. 115, 1051 (2015), and the program QUIP.
    """

    points: Tensor
    theta: Tensor
    delta: Tensor
    point_weight: Tensor

    def __init__(
        self, elements: Sequence[str], cutoff: float, pair: Sequence[str], n_points: int = 20, transition: float = 1.0
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.pair = rows_of(self.elements, pair, 2, "pair")
        self.inner = inner_of(cutoff, transition)
        if n_points < 1:
            raise WiringError(f"a kernel needs at least one point, but n_points is {n_points}")
        self.irreps_out = o3.Irreps(f"{n_points}x0e")
        self.register_buffer("points", spread(0.2 * self.cutoff, self.cutoff, n_points))
        self.register_buffer("theta", torch.ones(1))
        self.register_buffer("delta", torch.ones(1))
        self.register_buffer("point_weight", torch.ones(n_points))

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_points), of δ²."""
        one, other = edges.element_of_centre, edges.element_of_neighbour
        first, second = self.pair
        chosen = ((one == first) & (other == second)) | ((one == second) & (other == first))
        chosen &= edges.length < self.cutoff
        length = edges.length[chosen]
        kernel = torch.exp(-0.5 * ((length[:, None] - self.points) / self.theta) ** 2)
        fade = cosine_cutoff(length, self.cutoff, self.inner)
        h = sum_to(fade[:, None] * kernel, edges.centre[chosen], edges.n_atoms)
        return h * (self.delta**2 * self.point_weight)
