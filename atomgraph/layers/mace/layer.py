"""MACELayer: messages of neighbours, products of them, and what an atom was before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest
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
from atomgraph.nn.equivariant.irrep_blocks import channels_of, from_blocks, to_blocks
from atomgraph.nn.equivariant.linear import EquivariantLinear
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.equivariant.symmetric_product import SymmetricProduct
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.nn.protocols import MessageLayer
from atomgraph.ops.spherical import spherical_harmonics

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

    :math:`A_i` is what the interaction gives, its products up to ``order`` are coupled to the irreps that go out.

    Args:
        elements: Chemical symbols.
        cutoff: Å.
        irreps_in, irreps_out: Of the features, equally many channels of each irrep.
        interaction: A name in ``INTERACTIONS``.
        l_max: Of the harmonics.
        order: Of the products; body order less one.
        irreps_message: Of :math:`A_i`; by default the harmonics', as many channels as ``irreps_out`` has.
        irreps_up: Of the neighbours' features in the convolution, by default ``irreps_in``; narrower is faster.
        radial: How distances are encoded; by default Bessel functions.
        radial_hidden: Widths of the radial network.
        parity: ``natural``, or ``even`` for a model that knows no reflections (harmonics of even parity).
        by_element: Products weigh each element by itself, or all alike.
        residual: ``"auto"`` adds what the interaction gives past the products; ``"none"`` drops it.
        n_paths, coupling_dtype, activation_gain: How a file of another program was coupled, see
            ``nn.SymmetricProduct``, ``nn.Convolution``.

    Raises:
        WiringError: For unknown names and irreps that do not fit.

    Source: Batatia et al., NeurIPS 2022, Eqs. 8 to 11.
    """

    inner_groups: ClassVar = {"mix": "product"}  # it mixes the products

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
        _check(interaction, parity, residual)
        channels = _channels(self.irreps_out)
        self.l_max = l_max
        harmonics = o3.Irreps.spherical_harmonics(l_max, p=-1 if parity == "natural" else 1)
        if irreps_message is None:
            self.irreps_message = o3.Irreps([(channels, irrep) for _, irrep in harmonics])
        else:
            self.irreps_message = o3.Irreps(irreps_message)
        self.radial = (
            RadialEmbedding(self.elements, cutoff, envelope_on=fades(interaction)) if radial is None else radial
        )
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
        of_one_channel = o3.Irreps([(1, irrep) for _, irrep in self.irreps_message])
        self.product = SymmetricProduct(
            of_one_channel,
            o3.Irreps([(1, irrep) for _, irrep in self.irreps_out]),
            order,
            channels,
            len(self.elements) if by_element else 1,
            n_paths,
        )
        self.mix = EquivariantLinear(self.irreps_out, self.irreps_out)
        self.by_element = by_element

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """None by itself: its interaction and its product have them."""
        return {}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim) to (n_atoms, irreps_out.dim)."""
        message, residual = self.interaction(to_blocks(h, self.irreps_in), self._harmonics(edges), edges)
        first = torch.cat([message[irrep] for _, irrep in self.irreps_message], dim=1)  # (n_atoms, Σ(2l+1), channels)
        element = edges.element if self.by_element else torch.zeros_like(edges.element)
        products = self.product(first, element)
        parts = products.split([irrep.dim for _, irrep in self.irreps_out], dim=1)
        out = self.mix({irrep: part for (_, irrep), part in zip(self.irreps_out, parts, strict=True)})
        if residual is not None and self.keeps_residual:
            out = {irrep: block + residual[irrep] for irrep, block in out.items()}
        return from_blocks(out, self.irreps_out)

    def _harmonics(self, edges: Edges) -> Tensor:
        """(n_blocks, length, n_harmonics): of the edges, in blocks; made once for all layers."""

        def make() -> Tensor:
            harmonics = spherical_harmonics(self.l_max, edges.exact.vector).to(edges.vector.dtype)
            return PaddedEdges.of(edges).lay(harmonics)

        return edges.cached(("harmonics in blocks", self.l_max), make)

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Let the interaction count neighbours, where it divides by their mean number."""
        neighbours = getattr(self.interaction, "neighbours", None)
        if neighbours is not None:
            neighbours.update_statistics(edges)

    def finalize(self) -> None:
        """All training data were seen."""
        neighbours = getattr(self.interaction, "neighbours", None)
        if neighbours is not None:
            neighbours.finalize()


def fades(*interactions: str) -> str:
    """What the envelope of distances should multiply, so that a last neighbour leaves unnoticed.

    Networks that know more of an edge than its length do not end at zero by themselves; their messages must be faded.
    """
    return "messages" if {"attention_residual", "nonlinear_residual"} & set(interactions) else "features"


def _check(interaction: str, parity: str, residual: str) -> None:
    for name, value, known in (
        ("interaction", interaction, tuple(INTERACTIONS)),
        ("parity", parity, ("natural", "even")),
        ("residual", residual, ("auto", "none")),
    ):
        if value not in known:
            raise WiringError(f"unknown {name} {value!r}{nearest(str(value), known)}")


def _channels(irreps: o3.Irreps) -> int:
    widths = set(channels_of(irreps).values())
    if len(widths) != 1 or len(channels_of(irreps)) != len(irreps):
        raise WiringError(f"a layer of MACE gives equally many channels of each irrep, but should give {irreps}")
    return widths.pop()
