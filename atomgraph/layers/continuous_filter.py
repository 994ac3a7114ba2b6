"""Continuous-filter convolution of SchNet: features of neighbours times a learned function of the distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.mlp import MLP
from atomgraph.nn.protocols import MessageLayer
from atomgraph.ops.scatter import sum_to

DEFAULT_RADIAL: dict[str, Any] = {  # schnetpack's radial functions, as arguments of RadialEmbedding
    "n_radial": 20,
    "basis": "gaussian",
    "envelope": "cosine",
    "envelope_on": "messages",
}


class ContinuousFilter(MessageLayer):
    r"""Continuous-filter convolution, :math:`h'_i = \mathrm{MLP}_{out}\big(\sum_j (h_j W) \odot w(r_{ij})\big)`.

    .. math:: w(r) = f(r)\, \mathrm{MLP}_{filter}\big(e(r)\big)

    e is the radial embedding, f its envelope, and ⊙ the product of components of the same filter. Both
    perceptrons have one hidden layer.
    SchNet's interaction block is ``Residual(ContinuousFilter(...))``.

    Args:
        elements: Chemical symbols.
        irreps_in: Scalar features per atom, as a number or irreps (``0e``); the output has the same number.
        cutoff: Cutoff radius, Å.
        n_filters: Number of filters; None: the number of features.
        radial: Radial embedding with ``envelope_on: messages``; None: 20 Gaussians and the cosine envelope.
        activation: Activation function of both perceptrons.

    Raises:
        WiringError: If features are not scalars, or the radial embedding has another cutoff or its envelope on features.

    Source: Schütt et al., J. Chem. Phys. 148, 241722 (2018); the program schnetpack 2.
    """

    inner_groups = {"filter_network": "radial"}  # noqa: RUF012

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str | int,
        cutoff: float,
        n_filters: int | None = None,
        radial: RadialEmbedding | None = None,
        activation: str = "shifted_softplus",
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.irreps_in = self.irreps_out = as_scalars(irreps_in, "ContinuousFilter")
        n_features = self.irreps_in.dim
        n_filters = n_features if n_filters is None else n_filters
        if radial is None:
            radial = RadialEmbedding(elements, cutoff, **DEFAULT_RADIAL)
        check_radial(radial, self.cutoff, "ContinuousFilter")
        self.radial = radial
        self.filter_network = MLP(radial.n_radial, [n_filters], n_filters, activation)
        self.input_map = torch.nn.Parameter(torch.randn(n_features, n_filters) / n_features**0.5)
        self.output_network = MLP(n_filters, [n_features], n_features, activation)

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrix before the convolution; the perceptrons describe their matrices."""
        return matrices(self, "input_map")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because the weights are equal for all elements."""
        return {}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return the convolution, (n_atoms, irreps_in.dim), of features h, (n_atoms, irreps_in.dim)."""
        features, envelope = self.radial(edges)
        filters = self.filter_network(features) * envelope[:, None]  # (n_edges, n_filters)
        messages = (h @ self.input_map).index_select(0, edges.neighbour) * filters
        return self.output_network(sum_to(messages, edges.centre, edges.n_atoms))


def check_radial(radial: RadialEmbedding, cutoff: float, layer: str) -> None:
    """Raise WiringError if a radial embedding has another cutoff, Å, than the layer, or its envelope on features."""
    if radial.cutoff != cutoff or radial.envelope_on != "messages":
        raise WiringError(
            f"a {layer} with a cutoff of {cutoff} Å needs a radial embedding with this cutoff and envelope_on: "
            f"messages, but its embedding has {radial.cutoff} Å and envelope_on: {radial.envelope_on}"
        )
