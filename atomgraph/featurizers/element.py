"""Element embedding: a description of an atom by its element only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import Featurizer


class ElementEmbedding(Featurizer):
    r"""Trained vector per element, :math:`h_i = W_{z_i}`, which does not depend on neighbours.

    The vectors are equal for all atoms of an element. Layers that average or subtract features (means, Laplacians) keep them
    equal. Use this featurizer with layers that weight messages by distance, or together with a featurizer that depends on
    neighbours (``Concatenation``).

    Args:
        elements: Chemical symbols.
        channels: Number of features; their initial values have unit variance.

    Raises:
        WiringError: If a symbol is unknown, or ``channels`` is below one.
    """

    def __init__(self, elements: Sequence[str], channels: int):
        super().__init__()
        if channels < 1:
            raise WiringError(f"channels must be at least 1, but is {channels}")
        self.elements = checked_symbols(elements)
        self.irreps_out = o3.Irreps(f"{channels}x0e")
        self.weight = torch.nn.Parameter(torch.randn(len(self.elements), channels))

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the table of vectors as a linear map of one-hot elements."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Vectors of the new elements."""
        return {"weight": self.weight[edit.rows]}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, channels)."""
        return self.weight[edges.element]
