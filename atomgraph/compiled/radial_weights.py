"""Radial weights of a frozen convolution: what ``FusedConvolution`` needs to know about the network of a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.compiled.radial_tables import Pair, RadialFunctions
from atomgraph.nn.edges import Edges


class RadialWeights(ABC):
    """Radial weights of a convolution, for pairs of elements.

    Attributes:
        is_pairwise: Whether the weights depend on the elements of both atoms.
    """

    is_pairwise: bool

    @abstractmethod
    def pairs(self, element_rows: Sequence[int]) -> list[Pair]:
        """Return the pair of elements whose weights an edge uses, for every element of its centre and of its neighbour.

        Args:
            element_rows: Rows, in the model's table, of the n elements that occur.

        Returns:
            The pair of centre k and neighbour l at the index k · n + l; or one pair if the weights do not depend on elements.
        """

    @abstractmethod
    def functions(self, pairs: Sequence[Pair]) -> RadialFunctions:
        """Return the weights of pairs of elements as functions of the distance."""


def pair_edges(r: Tensor, pairs: Sequence[Pair], n_elements: int) -> Edges:
    """Return one edge for each distance and each pair of elements; the edge has the index distance · n_pairs + pair.

    Args:
        r: Distances, (n,), Å.
        pairs: Rows of the elements of centre and neighbour.
        n_elements: Number of elements of the model.
    """
    length = r[:, None].expand(-1, len(pairs)).flatten()
    vector = torch.stack([length, torch.zeros_like(length), torch.zeros_like(length)], dim=1)
    elements, centre = torch.tensor(pairs), 2 * torch.arange(len(pairs)).repeat(len(r))  # two atoms for each pair
    return Edges(vector, length, centre, centre + 1, elements.flatten(), 2 * len(pairs), n_elements)
