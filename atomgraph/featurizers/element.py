"""Element embedding: an atom is described by what it is, and nothing else."""

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
    r"""A learned vector per element, :math:`h_i = W_{z_i}`; it does not see the neighbours.

    Alone it is equal on all atoms of one element, and layers that compare or average features (Laplacians, means) leave it
    so: give it to layers that weigh messages by distance, or beside a featurizer of the surroundings (``Concatenation``).

    Args:
        elements: Chemical symbols.
        channels: Width; h is (n_atoms, channels), ``{channels}x0e``, of unit variance at first.

    Raises:
        WiringError: For unknown symbols or no channels.
    """

    def __init__(self, elements: Sequence[str], channels: int):
        super().__init__()
        if channels < 1:
            raise WiringError(f"channels must be at least 1, but is {channels}")
        self.elements = checked_symbols(elements)
        self.irreps_out = o3.Irreps(f"{channels}x0e")
        self.weight = torch.nn.Parameter(torch.randn(len(self.elements), channels))

    def linear_maps(self) -> dict[str, LinearMap]:
        """The vectors of each element: a linear map of which element an atom is."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The vectors of each element."""
        return {"weight": self.weight[edit.rows]}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, channels)."""
        return self.weight[edges.element]
