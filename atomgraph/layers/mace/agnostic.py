"""The interactions that know elements: by a map for each of them past the products, or on the message."""

from __future__ import annotations

from torch import Tensor

from atomgraph.layers.mace.interaction import Interaction, over
from atomgraph.layers.mace.normalisation import MeanNeighbours, edge_density
from atomgraph.nn.edges import Edges
from atomgraph.nn.equivariant.irrep_blocks import Blocks
from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear
from atomgraph.nn.equivariant.radial_network import ScaledMLP


class AgnosticInteraction(Interaction):
    r""":math:`W_{z_i} A_i`, with :math:`A_i` divided by the mean number of neighbours; nothing goes past the products.

    Source: Batatia et al., NeurIPS 2022 (``RealAgnosticInteractionBlock``).
    """

    residual = False
    by_density = False

    def _make(self) -> None:
        n_radial = self.radial.n_radial
        self.network = ScaledMLP([n_radial, *self.hidden, self.convolution.n_weights], activation_gain=self.gain)
        self.mix = EquivariantLinear(self.convolution.irreps_out, self.irreps_message)
        if self.residual:
            self.skip = ElementLinear(len(self.elements), self.irreps_in, self.irreps_residual)
        else:
            self.select = ElementLinear(len(self.elements), self.irreps_message, self.irreps_message)
        if self.by_density:
            self.density = ScaledMLP([n_radial, 1])
        else:
            self.neighbours = MeanNeighbours()

    def forward(self, h: Blocks, harmonics: Tensor, edges: Edges) -> tuple[Blocks, Blocks | None]:
        """Message and residual by irrep.

        Args:
            harmonics: (n_blocks, length, n_harmonics) in edge blocks.
        """
        features, envelope = self.radial(edges)
        message = self.mix(self._sums(self.network, features, envelope, self.up(h), harmonics, edges))
        if self.by_density:
            message = over(message, edge_density(self.density(features), envelope, edges) + 1.0)
        else:
            message = over(message, self.neighbours())
        if self.residual:
            return message, self.skip(h, edges.element)
        return self.select(message, edges.element), None


class ResidualInteraction(AgnosticInteraction):
    r""":math:`A_i` over the mean number of neighbours; :math:`W_{z_i} h_i` goes past the products.

    Source: Batatia et al., NeurIPS 2022 (``RealAgnosticResidualInteractionBlock``).
    """

    residual = True


class DensityInteraction(AgnosticInteraction):
    r""":math:`W_{z_i} A_i / (1 + \rho_i)`, with the density of neighbours; nothing goes past the products.

    Source: Batatia et al., arXiv:2401.00096 (``RealAgnosticDensityInteractionBlock``).
    """

    by_density = True


class DensityResidualInteraction(AgnosticInteraction):
    r""":math:`A_i / (1 + \rho_i)`; :math:`W_{z_i} h_i` goes past the products.

    Source: Batatia et al., arXiv:2401.00096 (``RealAgnosticDensityResidualInteractionBlock``).
    """

    residual = by_density = True
