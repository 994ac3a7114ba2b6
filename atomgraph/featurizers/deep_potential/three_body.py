"""Descriptor of Deep Potential with embedded products of two neighbours, ``se_e3``."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, a_kind
from atomgraph.featurizers.deep_potential.base import DeepPotentialDescriptor
from atomgraph.featurizers.deep_potential.environment import Environment, EnvironmentMatrix
from atomgraph.featurizers.deep_potential.pair_embedding import PairEmbedding, pair_row
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges


class DeepPotThreeBody(DeepPotentialDescriptor):
    r"""Sums over pairs of neighbours of embedded scalar products, ``se_e3`` of deepmd-kit.

    .. math:: h_i = \sum_{t \le u} \frac1{n_t n_u} \sum_{j \in t} \sum_{k \in u} c_{jk}\, g_{tu}(c_{jk}), \qquad
              c_{jk} = \vec v_j \cdot \vec v_k

    :math:`\vec v_j` are the last three numbers of the row of neighbour j in the environment matrix, and :math:`n_t` is the
    number of slots for element t. For t = u the sum contains both orders of a pair, and j = k. Empty slots add nothing.

    Args:
        environment: Environment matrix.
        embedding: Embedding networks of pairs.

    Raises:
        WiringError: If an argument is invalid.

    Source: the program deepmd-kit 3.
    """

    def __init__(self, environment: EnvironmentMatrix, embedding: PairEmbedding):
        super().__init__(environment, embedding)
        if not isinstance(embedding, PairEmbedding):
            raise WiringError(f"DeepPotThreeBody needs a PairEmbedding, but got {a_kind(embedding)}")
        self._require_slots_by_element()
        self.irreps_out = o3.Irreps(f"{embedding.channels}x0e")

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, channels), invariant scalars."""
        environment = self.environment(edges)
        vectors = _vectors_by_element(environment)
        networks, slots = self.embedding.networks(), self.environment.slots.to(environment.rows.dtype)
        h = environment.rows.new_zeros(edges.n_atoms, self.embedding.channels)
        for u, second in vectors.items():
            for t, first in vectors.items():
                if t <= u:
                    products, multiplicity = _products(first, second, t == u)
                    features = self.embedding(networks[pair_row(t, u)], products.reshape(-1, 1))
                    features = features.view(*products.shape, -1)  # (n_atoms, n_pairs, channels)
                    weights = (products * multiplicity)[:, None]
                    h = h + torch.bmm(weights, features)[:, 0] / (slots[t] * slots[u])
        return h


def _vectors_by_element(environment: Environment) -> dict[int, Tensor]:
    """Return the vectors of the neighbours by their element, (n_atoms, largest number of neighbours, 3), padded with zeros."""
    edges, vectors = environment.edges, {}
    element = edges.element_of_neighbour
    for t in torch.unique(element).tolist():
        rows = torch.nonzero(element == t)[:, 0]
        centre = edges.centre[rows]
        counts = torch.bincount(centre, minlength=edges.n_atoms)
        width = int(counts.max())
        first_of_centre = counts.cumsum(0) - counts  # edges are sorted by centre
        padded_row = torch.arange(len(rows), device=rows.device) - first_of_centre[centre] + width * centre
        padded = environment.rows.new_zeros(edges.n_atoms * width, 3)
        vectors[t] = padded.index_copy(0, padded_row, environment.rows[rows, 1:]).view(edges.n_atoms, width, 3)
    return vectors


def _products(first: Tensor, second: Tensor, same: bool) -> tuple[Tensor, Tensor]:
    """Compute the scalar products of all pairs, each pair once.

    Args:
        first: Vectors of the neighbours of one element, (n_atoms, n_first, 3).
        second: Vectors of the neighbours of the other element, (n_atoms, n_second, 3).
        same: Whether the two elements are equal.

    Returns:
        Products, (n_atoms, n_pairs), and the number of orders of each pair, (n_pairs,).
    """
    products = torch.bmm(first, second.transpose(1, 2))  # (n_atoms, n_first, n_second)
    if not same:
        return products.flatten(1), products.new_ones(1)
    j, k = torch.triu_indices(first.shape[1], first.shape[1], device=first.device)
    return products[:, j, k], 2.0 - (j == k).to(products.dtype)
