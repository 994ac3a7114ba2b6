"""Interactions with a linear map for each element, on the summed messages A (see ``Interaction``) or on the residual."""

from __future__ import annotations

from torch import Tensor

from atomgraph.layers.mace.interaction import Interaction, divide
from atomgraph.layers.mace.normalisation import MeanNeighbours, neighbour_density
from atomgraph.nn.edges import Edges
from atomgraph.nn.equivariant.irrep_blocks import Blocks
from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear
from atomgraph.nn.equivariant.radial_network import ScaledMLP


class AgnosticInteraction(Interaction):
    r"""Message :math:`W_{z_i} A_i`; the divisor :math:`n_i` is the mean number of neighbours; no residual.

    Source: Batatia et al., NeurIPS 2022 (``RealAgnosticInteractionBlock``).
    """

    residual = False  # True: return a residual
    by_density = False  # True: divide by 1 + the neighbour density, not by the mean number of neighbours

    def _build_parts(self) -> None:
        n_radial = self.radial.n_radial
        self.network = ScaledMLP([n_radial, *self.hidden, self.convolution.n_weights], activation_gain=self.gain)
        self.mix = EquivariantLinear(self.convolution.irreps_out, self.irreps_message)  # W
        if self.residual:
            self.skip = ElementLinear(len(self.elements), self.irreps_in, self.irreps_residual)  # W_z of the residual
        else:
            self.select = ElementLinear(len(self.elements), self.irreps_message, self.irreps_message)  # W_z of A
        if self.by_density:
            self.density = ScaledMLP([n_radial, 1])  # the density network, see neighbour_density
        else:
            self.neighbours = MeanNeighbours()

    def forward(self, h: Blocks, harmonics: Tensor, edges: Edges) -> tuple[Blocks, Blocks | None]:
        """Return the message and the residual of each atom, by irrep; see ``Interaction.forward``."""
        features, envelope = self.radial(edges)
        message = self.mix(self._convolve(self.network, features, envelope, self.up(h), harmonics, edges))
        if self.by_density:
            message = divide(message, neighbour_density(self.density(features), envelope, edges) + 1.0)
        else:
            message = divide(message, self.neighbours())
        if self.residual:
            return message, self.skip(h, edges.element)
        return self.select(message, edges.element), None


class ResidualInteraction(AgnosticInteraction):
    r"""Message :math:`A_i`; the divisor :math:`n_i` is the mean number of neighbours; residual :math:`W_{z_i} h_i`.

    Source: Batatia et al., NeurIPS 2022 (``RealAgnosticResidualInteractionBlock``).
    """

    residual = True


class DensityInteraction(AgnosticInteraction):
    r"""Message :math:`W_{z_i} A_i`; the divisor is :math:`n_i = 1 + \rho_i` with the neighbour density ρ; no residual.

    Source: Batatia et al., arXiv:2401.00096 (``RealAgnosticDensityInteractionBlock``).
    """

    by_density = True


class DensityResidualInteraction(AgnosticInteraction):
    r"""Message :math:`A_i`; the divisor is :math:`n_i = 1 + \rho_i` with the neighbour density ρ; residual :math:`W_{z_i} h_i`.

    Source: Batatia et al., arXiv:2401.00096 (``RealAgnosticDensityResidualInteractionBlock``).
    """

    residual = by_density = True
