"""Interaction: the sum of messages from the neighbours of an atom, before symmetric products."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.equivariant.convolution import Convolution
from atomgraph.nn.equivariant.irrep_blocks import Blocks
from atomgraph.nn.equivariant.linear import EquivariantLinear
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.part import Part
from atomgraph.old_names import old_names_of


class Interaction(Part):
    r"""Sum of messages from neighbours. Subclasses define the radial weights, the divisor :math:`n_i` and the residual.

    .. math:: A_i = \frac{1}{n_i} W \sum_j w(r_{ij}) \otimes (W^{up} h_j) \otimes Y(\hat r_{ij})

    Args:
        elements: Chemical symbols.
        irreps_in: Irreps of the features h.
        irreps_up: Irreps of :math:`W^{up} h`.
        irreps_message: Irreps of A, the summed messages.
        irreps_residual: Irreps of the residual.
        harmonics: Irreps of the spherical harmonics Y.
        radial: Embedding of distances.
        radial_hidden: Widths of the hidden layers of the radial network, whose output is w.
        coupling_dtype: Dtype of the coupling coefficients, see ``nn.Convolution``.
        activation_gain: Factor on the activation of the radial network; None: the value in ``nn.activation.E3NN_GAINS``.
    """

    up: EquivariantLinear
    convolution: Convolution
    radial: RadialEmbedding

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str,
        irreps_up: o3.Irreps | str,
        irreps_message: o3.Irreps | str,
        irreps_residual: o3.Irreps | str,
        harmonics: o3.Irreps | str,
        radial: RadialEmbedding,
        radial_hidden: Sequence[int] = (64, 64, 64),
        coupling_dtype: str = "float64",
        activation_gain: float | None = None,
    ):
        super().__init__()
        self.elements = list(elements)
        self.irreps_in, self.irreps_up = o3.Irreps(irreps_in), o3.Irreps(irreps_up)
        self.irreps_message, self.irreps_residual = o3.Irreps(irreps_message), o3.Irreps(irreps_residual)
        self.radial, self.hidden, self.gain = radial, list(radial_hidden), activation_gain
        self.up = EquivariantLinear(self.irreps_in, self.irreps_up)
        self.convolution = Convolution(self.irreps_up, harmonics, self.irreps_message, coupling_dtype)
        self._build_parts()

    @abstractmethod
    def _build_parts(self) -> None:
        """Build the parts of the subclass."""

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return no weights: the ``ElementLinear`` maps of the subclasses contain the weights per element and return them."""
        return {}

    @abstractmethod
    def forward(self, h: Blocks, harmonics: Tensor, edges: Edges) -> tuple[Blocks, Blocks | None]:
        """Return the message and the residual of each atom, by irrep; None in place of the residual if the type has none.

        Args:
            h: Features of atoms, by irrep.
            harmonics: Spherical harmonics of the edges, from ``arranged_harmonics``.
            edges: Edges of the graph.
        """

    def _convolve(
        self, network: Part, inputs: Tensor, envelope: Tensor | None, up: Blocks, harmonics: Tensor, edges: Edges
    ) -> Blocks:
        """Return the convolution, with weights from a network.

        Args:
            network: Radial network.
            inputs: Inputs of the network, (n_edges, n_inputs).
            envelope: Factor on the weights, (n_edges,); None for 1.
            up: Features :math:`W^{up} h`, by irrep.
            harmonics: Spherical harmonics of the edges, from ``arranged_harmonics``.
            edges: Edges of the graph.
        """
        layout = self.convolution.edge_layout(edges)
        weights: Tensor = network(layout.arrange(inputs))
        if envelope is not None:
            weights = weights * layout.arrange(envelope)[..., None]
        return self.convolution(up, weights, harmonics, layout)


def divide(blocks: Blocks, divisor: Tensor) -> Blocks:
    """Return features divided by one number, (), or by one number per atom, (n_atoms, 1)."""
    divisor = divisor if divisor.ndim == 0 else divisor[:, :, None]
    return {irrep: block / divisor for irrep, block in blocks.items()}


def count_scalars(irreps: o3.Irreps) -> int:
    """Return the number of ``0e`` channels."""
    return int(o3.Irreps(irreps).count(o3.Irrep(0, 1)))


def invariants(blocks: Blocks) -> Tensor:
    """Return the ``0e`` features, (n_atoms, channels)."""
    return torch.squeeze(blocks[o3.Irrep(0, 1)], 1)


__getattr__ = old_names_of(__name__)
