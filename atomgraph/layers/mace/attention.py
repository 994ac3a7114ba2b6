"""The interaction whose radial weights look at the features of both atoms."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.layers.mace.interaction import Interaction, invariants, over
from atomgraph.layers.mace.normalisation import MeanNeighbours
from atomgraph.nn.edges import Edges
from atomgraph.nn.equivariant.irrep_blocks import Blocks
from atomgraph.nn.equivariant.linear import EquivariantLinear
from atomgraph.nn.equivariant.radial_network import ScaledMLP

_WIDTH = 64  # scalars of each atom that the network sees


class AttentionResidualInteraction(Interaction):
    r""":math:`w = w(r_{ij}, W^{down} h_j, W^{down} h_i)`; :math:`W h_i`, alike for all elements, goes past the products.

    Source: mace-torch 0.3.16, ``RealAgnosticAttResidualInteractionBlock``.
    """

    def _make(self) -> None:
        self.down = EquivariantLinear(self.irreps_in, o3.Irreps(f"{_WIDTH}x0e"))
        widths = [self.radial.n_radial + 2 * _WIDTH, *self.hidden, self.convolution.n_weights]
        self.network = ScaledMLP(widths, activation_gain=self.gain)
        self.mix = EquivariantLinear(self.convolution.irreps_out, self.irreps_message)
        self.neighbours = MeanNeighbours()
        self.skip = EquivariantLinear(self.irreps_in, self.irreps_residual)

    def forward(self, h: Blocks, harmonics: Tensor, edges: Edges) -> tuple[Blocks, Blocks | None]:
        """Message and residual by irrep.

        Args:
            harmonics: (n_blocks, length, n_harmonics) in edge blocks.
        """
        features, envelope = self.radial(edges)
        down = invariants(self.down(h))
        inputs = torch.cat([features, down[edges.neighbour], down[edges.centre]], dim=1)
        message = self.mix(self._sums(self.network, inputs, envelope, self.up(h), harmonics, edges))
        return over(message, self.neighbours()), self.skip(h)
