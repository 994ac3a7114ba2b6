"""Layer of MACE: summed messages of neighbours, symmetric products of the sum, and a residual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, check_name
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.mace.agnostic import (
    AgnosticInteraction,
    DensityInteraction,
    DensityResidualInteraction,
    ResidualInteraction,
)
from atomgraph.layers.mace.attention import AttentionResidualInteraction
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.edge_harmonics import arranged_harmonics
from atomgraph.nn.equivariant.irrep_blocks import channels_per_irrep, from_blocks, to_blocks
from atomgraph.nn.equivariant.linear import EquivariantLinear
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.equivariant.symmetric_product import SymmetricProduct
from atomgraph.nn.protocols import MessageLayer
from atomgraph.old_names import OldAttribute, old_names_of

INTERACTIONS: dict[str, type[Interaction]] = {
    "agnostic": AgnosticInteraction,
    "residual": ResidualInteraction,
    "density": DensityInteraction,
    "density_residual": DensityResidualInteraction,
    "attention_residual": AttentionResidualInteraction,
    "nonlinear_residual": NonlinearResidualInteraction,
}


class MACELayer(MessageLayer):
    r"""One layer of MACE: :math:`h'_i = W \sum_\nu \sum_p W^\nu_{z_i p}\, U^\nu_p A_i^{\otimes \nu} + \mathrm{residual}(h_i)`.

    :math:`A_i` is the sum of messages that the interaction returns. Its products up to ``order`` are coupled to ``irreps_out``.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        irreps_in, irreps_out: Irreps of the features before and after the layer; each irrep has the same number of channels.
        interaction: Type of the interaction, a name in ``INTERACTIONS``.
        l_max: Largest degree of the spherical harmonics.
        order: Largest number ν of factors of a product, which is the body order minus one.
        irreps_message: Irreps of :math:`A_i`; if None, those of the harmonics with the channels of ``irreps_out``.
        irreps_up: Irreps of the neighbours' features in the convolution; ``irreps_in`` if None. Fewer channels are faster.
        radial: Embedding of distances; Bessel functions if None.
        radial_hidden: Widths of the hidden layers of the radial network.
        parity: Parity of the harmonics: ``natural`` for (−1)^l, or ``even``. With ``even``, the features are equivariant to
            rotations but not to reflections, so mirror images can have different energies.
        by_element: Use separate product weights for each element.
        residual: ``"auto"`` adds the residual of the interaction; ``"none"`` drops it.
        n_paths, coupling_dtype, activation_gain: Conventions of files of other programs: arguments of ``SymmetricProduct``,
            ``Convolution`` and ``ScaledMLP`` (package ``nn.equivariant``). None: the defaults of these classes.

    Raises:
        WiringError: If a name is unknown, or irreps have different numbers of channels.

    Source: Batatia et al., NeurIPS 2022, Eqs. 8 to 11.
    """

    inner_groups: ClassVar = {"mix": "product"}

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        irreps_in: o3.Irreps | str,
        irreps_out: o3.Irreps | str,
        *,
        interaction: str = "residual",
        l_max: int = 3,
        order: int = 3,
        irreps_message: o3.Irreps | str | None = None,
        irreps_up: o3.Irreps | str | None = None,
        radial: RadialEmbedding | None = None,
        radial_hidden: Sequence[int] = (64, 64, 64),
        parity: str = "natural",
        by_element: bool = True,
        residual: str = "auto",
        n_paths: Mapping[str, Any] | None = None,
        coupling_dtype: str = "float64",
        activation_gain: float | None = None,
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.irreps_in, self.irreps_out = o3.Irreps(irreps_in), o3.Irreps(irreps_out)
        check_name("interaction", interaction, INTERACTIONS)
        check_name("parity", parity, ("natural", "even"))
        check_name("residual", residual, ("auto", "none"))
        channels = _channels(self.irreps_out)
        self.l_max = l_max
        harmonics = o3.Irreps.spherical_harmonics(l_max, p=-1 if parity == "natural" else 1)
        all_irreps = o3.Irreps([(channels, irrep) for _, irrep in harmonics])
        self.irreps_message = all_irreps if irreps_message is None else o3.Irreps(irreps_message)
        if radial is None:
            radial = RadialEmbedding(self.elements, cutoff, envelope_on=envelope_target(interaction))
        self.radial = radial
        self.interaction = INTERACTIONS[interaction](
            self.elements,
            self.irreps_in,
            self.irreps_in if irreps_up is None else irreps_up,
            self.irreps_message,
            self.irreps_out,
            harmonics,
            self.radial,
            radial_hidden,
            coupling_dtype,
            activation_gain,
        )
        self.keeps_residual = residual == "auto"
        message_irreps = o3.Irreps([(1, irrep) for _, irrep in self.irreps_message])
        self.product = SymmetricProduct(
            message_irreps,
            o3.Irreps([(1, irrep) for _, irrep in self.irreps_out]),
            order,
            channels,
            len(self.elements) if by_element else 1,
            n_paths,
        )
        self.mix = EquivariantLinear(self.irreps_out, self.irreps_out)
        self.by_element = by_element

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return no weights, because only the interaction and the product have weights of elements."""
        return {}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return new features, (n_atoms, irreps_out.dim), of features h, (n_atoms, irreps_in.dim)."""
        layout = self.interaction.convolution.edge_layout(edges)
        harmonics = arranged_harmonics(edges, layout, self.l_max)
        message, residual = self.interaction(to_blocks(h, self.irreps_in), harmonics, edges)
        blocks = [message[irrep] for _, irrep in self.irreps_message]
        message_columns = torch.cat(blocks, dim=1)  # (n_atoms, Σ(2l+1), channels)
        element = edges.element if self.by_element else torch.zeros_like(edges.element)
        products = self.product(message_columns, element)
        parts = products.split([irrep.dim for _, irrep in self.irreps_out], dim=1)
        result = self.mix({irrep: part for (_, irrep), part in zip(self.irreps_out, parts, strict=True)})
        if residual is not None and self.keeps_residual:
            result = {irrep: block + residual[irrep] for irrep, block in result.items()}
        return from_blocks(result, self.irreps_out)

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Count the neighbours in a batch, if the interaction divides by their mean number."""
        neighbours = getattr(self.interaction, "neighbours", None)
        if neighbours is not None:
            neighbours.update_statistics(edges)

    def finalize(self) -> None:
        """Set the mean number of neighbours, if the interaction divides by it."""
        neighbours = getattr(self.interaction, "neighbours", None)
        if neighbours is not None:
            neighbours.finalize()

    observe = OldAttribute("update_statistics")
    settle = OldAttribute("finalize")


def envelope_target(*interactions: str) -> str:
    """Return the argument ``envelope_on`` of a ``RadialEmbedding`` with which messages vanish at the cutoff.

    If the radial network has further inputs than the distance, its output does not vanish for vanishing radial features.
    The envelope must then be a factor on the messages.

    Args:
        interactions: Names in ``INTERACTIONS``.
    """
    return "messages" if {"attention_residual", "nonlinear_residual"} & set(interactions) else "features"


def _channels(irreps: o3.Irreps) -> int:
    """Return the number of channels, which is equal for all irreps.

    Raises:
        WiringError: If the numbers differ, or an irrep occurs twice.
    """
    numbers = set(channels_per_irrep(irreps).values())
    if len(numbers) != 1 or len(channels_per_irrep(irreps)) != len(irreps):
        raise WiringError(f"a layer of MACE needs equal numbers of channels for each irrep, but irreps_out is {irreps}")
    return numbers.pop()


__getattr__ = old_names_of(__name__)
