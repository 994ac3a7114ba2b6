"""Atom-wise layer: each atom's features through its element's own weights, no message."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.activation import activation_of
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.mlp import MLP
from atomgraph.nn.protocols import Layer


class AtomWise(Layer):
    r""":math:`h'_i = \sigma(h_i W_{z_i} + b_{z_i})`: changes the number of channels and lets the centre's element in.

    elements: chemical symbols, in the model's order.  channels_in, channels_out: scalars per atom before and after.
    hidden: widths of hidden layers, each with a silu.  activation: σ, one of ``identity``, ``silu``, ``tanh``, ``softplus``.
    Raises WiringError for an unknown activation or a width below one.
    """

    group = "embedding"
    follows_columns = True

    def __init__(
        self,
        elements: Sequence[str],
        channels_in: int,
        channels_out: int,
        hidden: Sequence[int] = (),
        activation: str = "identity",
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        self.irreps_in, self.irreps_out = as_irreps(channels_in), as_irreps(channels_out)
        self.activation = activation_of(activation)
        self.mlp = MLP(channels_in, hidden, channels_out, n_elements=len(self.elements))

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The perceptron of each element."""
        return self.mlp.element_tables(edit, "mlp")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, channels_in) to (n_atoms, channels_out)."""
        return self.activation(self.mlp(h, edges.element))
