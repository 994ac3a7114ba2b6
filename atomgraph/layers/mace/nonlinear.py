"""The interaction with gates, whose weights know the elements of both atoms."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from atomgraph.layers.mace.interaction import Interaction, over, scalars
from atomgraph.layers.mace.normalisation import edge_density
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.equivariant.gate import Gate
from atomgraph.nn.equivariant.irrep_blocks import Blocks
from atomgraph.nn.equivariant.linear import EquivariantLinear
from atomgraph.nn.equivariant.radial_network import NormalisedMLP
from atomgraph.nn.linear_map import LinearMap, matrices

_DENSITY_WIDTH = 64


class NonlinearResidualInteraction(Interaction):
    r"""A gate after the convolution, and weights :math:`w(r_{ij}, s_{z_j}, t_{z_i})`.

    .. math:: A_i = W_2\, \mathrm{gate}\Big(\frac{W_1 \sum_j w \otimes h_j^{up} \otimes Y}{\alpha + \beta \rho_i}
              + W^{res} h_i^{up} \Big)

    with learned :math:`\alpha, \beta` and vectors s, t for each element; :math:`W h_i` goes past the products.

    Source: mace-torch 0.3.16, ``RealAgnosticResidualNonLinearInteractionBlock`` (MACE-MH-1).
    """

    inner_groups: ClassVar = {"source": "embedding", "target": "embedding"}

    def _make(self) -> None:
        width, n_elements = scalars(self.irreps_in), len(self.elements)
        self.source = torch.nn.Parameter(torch.empty(n_elements, width).uniform_(-1e-3, 1e-3))
        self.target = torch.nn.Parameter(torch.empty(n_elements, width).uniform_(-1e-3, 1e-3))
        n_inputs = self.radial.n_radial + 2 * width
        self.network = NormalisedMLP([n_inputs, *self.hidden, self.convolution.n_weights])
        self.density = NormalisedMLP([n_inputs, _DENSITY_WIDTH, 1])
        self.alpha = torch.nn.Parameter(torch.tensor(20.0))
        self.beta = torch.nn.Parameter(torch.tensor(0.0))
        self.gate = Gate(self.irreps_message, scalar_gain=self.gain)
        self.past = EquivariantLinear(self.irreps_up, self.gate.irreps_in)
        self.mix = EquivariantLinear(self.convolution.irreps_out, self.gate.irreps_in)
        self.last = EquivariantLinear(self.irreps_message, self.irreps_message)
        self.skip = EquivariantLinear(self.irreps_in, self.irreps_residual)

    def linear_maps(self) -> dict[str, LinearMap]:
        """The vectors of each element: linear maps of which element an atom is."""
        return matrices(self, "source", "target")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The vectors of each element, which are divided by the square root of the number of elements."""
        return {name: getattr(self, name)[edit.rows] * edit.factor for name in ("source", "target")}

    def forward(self, h: Blocks, harmonics: Tensor, edges: Edges) -> tuple[Blocks, Blocks | None]:
        """Message and residual by irrep.

        Args:
            harmonics: (n_blocks, length, n_harmonics) in edge blocks.
        """
        features, envelope = self.radial(edges)
        scale = len(self.elements) ** -0.5
        of_source, of_target = self.source[edges.element] * scale, self.target[edges.element] * scale
        inputs = torch.cat([features, of_source[edges.neighbour], of_target[edges.centre]], dim=1)
        up = self.up(h)
        message = self.mix(self._sums(self.network, inputs, envelope, up, harmonics, edges))
        density = edge_density(self.density(inputs), envelope, edges)
        message = over(message, density * self.beta + self.alpha)
        past = self.past(up)
        message = self.last(self.gate({irrep: block + past[irrep] for irrep, block in message.items()}))
        return message, self.skip(h)
