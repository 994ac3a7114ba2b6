"""Message block of PaiNN: scalars and vectors of neighbours, multiplied by filters of the distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.continuous_filter import DEFAULT_RADIAL, check_radial
from atomgraph.layers.scalar_vector import (
    join_scalars_and_vectors,
    scalar_vector_channels,
    scalar_vector_irreps,
    split_scalars_and_vectors,
)
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.mlp import MLP
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.nn.protocols import MessageLayer


class PaiNNMessage(MessageLayer):
    r"""Message block of PaiNN, which changes scalars q and vectors :math:`\vec\mu` of an atom.

    .. math:: (a, b, c)_{ij} = \mathrm{MLP}(q_j) \odot f(r_{ij})\, (W e(r_{ij}) + w_0), \qquad
              q'_i = q_i + \sum_j a_{ij}, \qquad
              \vec\mu'_i = \vec\mu_i + \sum_j (b_{ij}\, \hat r_{ij} + c_{ij}\, \vec\mu_j)

    e is the radial embedding, f its envelope, and :math:`\hat r_{ij}` the direction from the centre i to the neighbour j, as in
    schnetpack. The perceptron has one hidden layer. If the layer reads only scalars, the vectors are 0.

    Args:
        elements: Chemical symbols.
        irreps_in: ``Kx0e``, or ``Kx0e+Kx1o``; the output is ``Kx0e+Kx1o``.
        cutoff: Cutoff radius, Å.
        radial: Radial embedding with ``envelope_on: messages``; None: 20 Gaussians and the cosine envelope.
        activation: Activation function of the perceptron.
        same_weights_as: Layer whose perceptron this layer also uses; None: own weights.
        same_filters_as: Layer whose filters, W and w₀, and radial embedding this layer also uses; None: own filters.

    Raises:
        WiringError: If irreps or the radial embedding are invalid, or the other layer has other sizes.

    Source: Schütt, Unke and Gastegger, ICML 2021, arXiv:2102.03150; the program schnetpack 2.
    """

    radial: RadialEmbedding
    inner_groups: ClassVar = {"filters": "radial"}

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str | int,
        cutoff: float,
        radial: RadialEmbedding | None = None,
        activation: str = "silu",
        same_weights_as: PaiNNMessage | None = None,
        same_filters_as: PaiNNMessage | None = None,
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.channels, self.reads_vectors = scalar_vector_channels(irreps_in, "PaiNNMessage")
        self.irreps_in = scalar_vector_irreps(self.channels, self.reads_vectors)
        self.irreps_out = scalar_vector_irreps(self.channels)
        if same_filters_as is not None:
            radial = same_filters_as.radial
        self.radial = RadialEmbedding(elements, cutoff, **DEFAULT_RADIAL) if radial is None else radial
        check_radial(self.radial, self.cutoff, "PaiNNMessage")
        for source in (same_weights_as, same_filters_as):
            if source is not None and source.channels != self.channels:
                raise WiringError(
                    f"a PaiNNMessage with {self.channels} channels cannot use weights of a layer with {source.channels}"
                )
        width = 3 * self.channels
        if same_weights_as is None:
            self.network = MLP(self.channels, [self.channels], width, activation).set_xavier_weights()
        else:
            self.network = same_weights_as.network
        if same_filters_as is None:
            self.filters = MLP(self.radial.n_radial, [], width).set_xavier_weights()
        else:
            self.filters = same_filters_as.filters

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because the weights are equal for all elements."""
        return {}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return scalars and vectors, (n_atoms, 4K), of features h, (n_atoms, irreps_in.dim)."""
        scalars, vectors = split_scalars_and_vectors(h, self.channels) if self.reads_vectors else (h, None)
        padded_edges = PaddedEdges.of(edges)
        messages = padded_edges.gather_neighbours(self.network(scalars)) * self._filters(edges, padded_edges)
        along_edge = messages[:, :, : 2 * self.channels]  # (n_blocks, block_size, 2K): for scalars, and along the edge
        sums = self._directions(edges, padded_edges) @ along_edge  # (n_blocks, 4, 2K)
        to_scalars, to_vectors = sums[:, 0, : self.channels], sums[:, 1:, self.channels :]
        if vectors is not None:
            along_vector = messages[:, :, None, 2 * self.channels :]  # (n_blocks, block_size, 1, K)
            to_vectors = to_vectors + (along_vector * padded_edges.gather_neighbours(vectors)).sum(dim=1)
        scalars, to_vectors = scalars + padded_edges.sum(to_scalars), padded_edges.sum(to_vectors)
        return join_scalars_and_vectors(scalars, to_vectors if vectors is None else vectors + to_vectors)

    def _filters(self, edges: Edges, padded_edges: PaddedEdges) -> Tensor:
        """Filters times the envelope, (n_blocks, block_size, 3K), computed once for all layers with the same filters."""
        return edges.cached(("filters", self.filters), lambda: self._make_filters(edges, padded_edges))

    def _make_filters(self, edges: Edges, padded_edges: PaddedEdges) -> Tensor:
        features, envelope = self.radial(edges)
        return padded_edges.pad(self.filters(features) * envelope[:, None])

    def _directions(self, edges: Edges, padded_edges: PaddedEdges) -> Tensor:
        """The number 1 and the direction to the neighbour, (n_blocks, 4, block_size); 0 where there is no edge."""
        return edges.cached("ones and directions", lambda: self._make_directions(edges, padded_edges))

    @staticmethod
    def _make_directions(edges: Edges, padded_edges: PaddedEdges) -> Tensor:
        direction = -edges.vector / edges.length[:, None]
        return padded_edges.pad(torch.cat([torch.ones_like(direction[:, :1]), direction], dim=1)).transpose(1, 2)
