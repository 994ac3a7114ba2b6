"""Interaction: what an atom's neighbours say, before products are taken of it."""

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
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.nn.part import Part


class Interaction(Part):
    r"""Features up, convolution, and what its sums are divided by; what differs is in the subclasses.

    .. math:: A_i = \frac{1}{n_i} W \sum_j w(r_{ij}) \otimes (W^{up} h_j) \otimes Y(\hat r_{ij})

    Args:
        elements: Chemical symbols.
        irreps_in: Of h.
        irreps_up: Of W^up h.
        irreps_message: Of A.
        irreps_residual: Of what goes past the products.
        harmonics: Irreps of Y.
        radial: Embedding of distances.
        radial_hidden: Widths of the network that gives w.
        coupling_dtype: Of the coupling constants (``nn.Convolution``).
        activation_gain: Of the network's activation; its own if None.
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
        self._make()

    @abstractmethod
    def _make(self) -> None:
        """Make the parts that this kind of interaction has besides."""

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """None by itself: the linear maps inside have them."""
        return {}

    @abstractmethod
    def forward(self, h: Blocks, harmonics: Tensor, edges: Edges) -> tuple[Blocks, Blocks | None]:
        """Message and residual by irrep.

        Args:
            harmonics: (n_blocks, length, n_harmonics) in edge blocks.
        """

    def _sums(
        self, network: Part, inputs: Tensor, envelope: Tensor | None, up: Blocks, harmonics: Tensor, edges: Edges
    ) -> Blocks:
        """The convolution, its weights given by a network of what each edge knows, (n_edges, width)."""
        blocks = PaddedEdges.of(edges)
        weights: Tensor = network(blocks.lay(inputs))
        if envelope is not None:
            weights = weights * blocks.lay(envelope)[:, :, None]
        return self.convolution(up, weights, harmonics, blocks)


def over(blocks: Blocks, divisor: Tensor) -> Blocks:
    """Blocks divided by a number, (), or by one for each atom, (n_atoms, 1)."""
    divisor = divisor if divisor.ndim == 0 else divisor[:, :, None]
    return {irrep: block / divisor for irrep, block in blocks.items()}


def scalars(irreps: o3.Irreps) -> int:
    """How many ``0e`` channels there are."""
    return int(o3.Irreps(irreps).count(o3.Irrep(0, 1)))


def invariants(blocks: Blocks) -> Tensor:
    """The ``0e`` channels, (n_atoms, channels)."""
    return torch.squeeze(blocks[o3.Irrep(0, 1)], 1)
