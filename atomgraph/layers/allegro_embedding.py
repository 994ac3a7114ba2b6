"""First layer of Allegro: scalars and tensors of each edge, from the distance, the direction and the elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.edge_harmonics import edge_harmonics
from atomgraph.nn.equivariant.radial_network import ScaledMLP
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.part import Part
from atomgraph.nn.protocols import Layer


class AllegroEmbedding(Layer):
    r"""Features of each edge: latent scalars z, weights w of the next layer, and tensors V.

    .. math:: x_{ij} = \mathrm{MLP}(y_{ij}), \qquad [z_{ij}, w_{ij}] = x_{ij} P / \sqrt S, \qquad
              V_{ij u l m} = (x_{ij} A / \sqrt S)_{u l}\, Y_{l m}(\hat r_{ij})

    y is the output of ``pairs``. The features of edges are, in this order: z, S scalars; w, U (l_max + 1) scalars with the
    index u (l_max + 1) + l; V, U channels of each irrep in ``tensor_irreps``. The features of atoms are not changed.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        irreps_in: Irreps of the features of atoms, scalars.
        pairs: Embedding of pairs, ``layers.pair_embedding.BesselPairEmbedding`` or ``SplinePairEmbedding``.
        tensor_irreps: Irreps of V, with multiplicity one; some of the irreps of the harmonics.
        channels: Number S of latent scalars.
        tensor_channels: Number U of channels of the tensors.
        l_max: Largest degree of the spherical harmonics.
        hidden: Widths of the hidden layers of the perceptron.
        activation: Name of its activation function.

    Raises:
        WiringError: If features of atoms are not scalars, or the activation is unknown.

    Source: Musaelian et al., Nat. Commun. 14, 579 (2023); the program nequip-allegro 0.8.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        irreps_in: o3.Irreps | str | int,
        pairs: Part,
        tensor_irreps: o3.Irreps | str,
        *,
        channels: int = 64,
        tensor_channels: int = 32,
        l_max: int = 2,
        hidden: Sequence[int] = (64,),
        activation: str = "silu",
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.irreps_in = self.irreps_out = as_scalars(irreps_in, "AllegroEmbedding")
        self.pairs: Any = pairs
        self.tensor_irreps, self.tensor_channels, self.l_max = o3.Irreps(tensor_irreps), tensor_channels, l_max
        n_weights = tensor_channels * (l_max + 1)
        self.edge_irreps_out = edge_irreps(channels, n_weights, tensor_channels, self.tensor_irreps)
        n_pairs: Any = self.pairs.channels
        self.scalar_network = ScaledMLP([n_pairs, *hidden, channels], activation, 2**0.5)
        self.tensor_weights = ScaledMLP([channels, n_weights])  # A
        self.projection = ScaledMLP([channels, channels + n_weights])  # P

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return no weights: the parts inside the layer return their weights of elements."""
        return {}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> tuple[Tensor, Tensor]:
        """Return the features h of atoms unchanged, and features of edges, (n_edges, edge_irreps_out.dim)."""
        x = self.scalar_network(self.pairs(h, edges))
        weights = self.tensor_weights(x).unflatten(1, (self.tensor_channels, self.l_max + 1))  # (n_edges, U, l_max + 1)
        harmonics = edge_harmonics(edges, self.l_max)
        tensors = [
            (weights[:, :, l, None] * harmonics[:, None, l * l : (l + 1) ** 2]).flatten(1)
            for l in (irrep.l for _, irrep in self.tensor_irreps)
        ]
        return h, torch.cat([self.projection(x), *tensors], dim=1)


def edge_irreps(n_scalars: int, n_weights: int, tensor_channels: int, tensor_irreps: o3.Irreps) -> o3.Irreps:
    """Return the irreps of the features of an edge: latent scalars, weights of the next layer, tensors."""
    scalars = o3.Irreps([(n_scalars, "0e"), (n_weights, "0e")]) if n_weights else o3.Irreps([(n_scalars, "0e")])
    return scalars + o3.Irreps([(tensor_channels, irrep) for _, irrep in tensor_irreps])
