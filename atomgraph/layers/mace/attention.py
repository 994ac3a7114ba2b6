"""Interaction whose radial weights depend on the features of both atoms of an edge."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.layers.mace.interaction import Interaction, divide, invariants
from atomgraph.layers.mace.normalisation import MeanNeighbours
from atomgraph.nn.edges import Edges
from atomgraph.nn.equivariant.irrep_blocks import Blocks
from atomgraph.nn.equivariant.linear import EquivariantLinear
from atomgraph.nn.equivariant.radial_network import ScaledMLP

_N_SCALARS = 64  # scalars of each atom in the input of the network


class AttentionResidualInteraction(Interaction):
    r"""Message with radial weights :math:`w(r_{ij}, W^{down} h_j, W^{down} h_i)`; residual :math:`W h_i`.

    Source: mace-torch 0.3.16, ``RealAgnosticAttResidualInteractionBlock``.
    """

    def _build_parts(self) -> None:
        self.down = EquivariantLinear(self.irreps_in, o3.Irreps(f"{_N_SCALARS}x0e"))
        widths = [self.radial.n_radial + 2 * _N_SCALARS, *self.hidden, self.convolution.n_weights]
        self.network = ScaledMLP(widths, activation_gain=self.gain)
        self.mix = EquivariantLinear(self.convolution.irreps_out, self.irreps_message)  # W of A
        self.neighbours = MeanNeighbours()
        self.skip = EquivariantLinear(self.irreps_in, self.irreps_residual)  # W of the residual

    def forward(self, h: Blocks, harmonics: Tensor, edges: Edges) -> tuple[Blocks, Blocks | None]:
        """Return the message and the residual of each atom, by irrep; see ``Interaction.forward``."""
        features, envelope = self.radial(edges)
        down = invariants(self.down(h))
        inputs = torch.cat([features, down[edges.neighbour], down[edges.centre]], dim=1)
        message = self.mix(self._convolve(self.network, inputs, envelope, self.up(h), harmonics, edges))
        return divide(message, self.neighbours()), self.skip(h)
