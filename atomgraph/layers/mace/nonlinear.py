"""Interaction with a gate, whose radial weights depend on the elements of both atoms of an edge."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from atomgraph.layers.mace.interaction import Interaction, count_scalars, divide
from atomgraph.layers.mace.normalisation import neighbour_density
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.equivariant.gate import Gate
from atomgraph.nn.equivariant.irrep_blocks import Blocks
from atomgraph.nn.equivariant.linear import EquivariantLinear
from atomgraph.nn.equivariant.radial_network import NormalisedMLP
from atomgraph.nn.linear_map import LinearMap, matrices

_DENSITY_HIDDEN = 64  # width of the hidden layer of the density network


class NonlinearResidualInteraction(Interaction):
    r"""Message with a gate after the convolution, and radial weights :math:`w(r_{ij}, s_{z_j}, t_{z_i})`.

    .. math:: A_i = W_2\, \mathrm{gate}\Big(\frac{W_1 \sum_j w \otimes h_j^{up} \otimes Y}{\alpha + \beta \rho_i}
              + W^{res} h_i^{up} \Big)

    with the neighbour density :math:`\rho_i`, trained :math:`\alpha, \beta`, and trained vectors s and t for each element.
    The residual is :math:`W h_i`.

    Source: mace-torch 0.3.16, ``RealAgnosticResidualNonLinearInteractionBlock`` (MACE-MH-1).
    """

    inner_groups: ClassVar = {"source": "embedding", "target": "embedding"}

    def _build_parts(self) -> None:
        n_scalars, n_elements = count_scalars(self.irreps_in), len(self.elements)
        self.source = torch.nn.Parameter(torch.empty(n_elements, n_scalars).uniform_(-1e-3, 1e-3))  # s
        self.target = torch.nn.Parameter(torch.empty(n_elements, n_scalars).uniform_(-1e-3, 1e-3))  # t
        n_inputs = self.radial.n_radial + 2 * n_scalars
        self.network = NormalisedMLP([n_inputs, *self.hidden, self.convolution.n_weights])
        self.density = NormalisedMLP([n_inputs, _DENSITY_HIDDEN, 1])
        self.alpha = torch.nn.Parameter(torch.tensor(20.0))
        self.beta = torch.nn.Parameter(torch.tensor(0.0))
        self.gate = Gate(self.irreps_message, scalar_gain=self.gain)
        self.past = EquivariantLinear(self.irreps_up, self.gate.irreps_in)  # W^res
        self.mix = EquivariantLinear(self.convolution.irreps_out, self.gate.irreps_in)  # W₁
        self.last = EquivariantLinear(self.irreps_message, self.irreps_message)  # W₂
        self.skip = EquivariantLinear(self.irreps_in, self.irreps_residual)  # W

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the vectors of each element, which are linear maps of the one-hot encoded element."""
        return matrices(self, "source", "target")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return the vectors of each element, scaled because ``forward`` divides by the root of the number of elements."""
        return {name: getattr(self, name)[edit.rows] * edit.factor for name in ("source", "target")}

    def forward(self, h: Blocks, harmonics: Tensor, edges: Edges) -> tuple[Blocks, Blocks | None]:
        """Return the message and the residual of each atom, by irrep; see ``Interaction.forward``."""
        features, envelope = self.radial(edges)
        scale = len(self.elements) ** -0.5
        source, target = self.source[edges.element] * scale, self.target[edges.element] * scale
        inputs = torch.cat([features, source[edges.neighbour], target[edges.centre]], dim=1)
        up = self.up(h)
        message = self.mix(self._convolve(self.network, inputs, envelope, up, harmonics, edges))
        density = neighbour_density(self.density(inputs), envelope, edges)
        message = divide(message, density * self.beta + self.alpha)
        gate_residual = self.past(up)
        message = self.last(self.gate({irrep: block + gate_residual[irrep] for irrep, block in message.items()}))
        return message, self.skip(h)
