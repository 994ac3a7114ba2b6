"""Atom-wise layer: each atom's features through its element's own weights, no message."""

from __future__ import annotations

from collections.abc import Sequence

from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.activation import activation_of
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.mlp import MLP
from atomgraph.nn.protocols import Layer


class AtomWise(Layer):
    r""":math:`h'_i = \sigma(h_i W_{z_i} + b_{z_i})`: changes the number of channels and lets the centre's element in.

    Args:
        elements: Chemical symbols, in the model's order.
        irreps_in, irreps_out: Scalars per atom before and after, their number or irreps (``0e``).
        hidden: Widths of hidden layers, each with a silu.
        activation: σ, one of ``identity``, ``silu``, ``tanh``, ``softplus``.

    Raises:
        WiringError: For an unknown activation or a width below one.
    """

    group = "embedding"
    follows_columns = True

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str | int,
        irreps_out: o3.Irreps | str | int,
        hidden: Sequence[int] = (),
        activation: str = "identity",
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        self.irreps_in, self.irreps_out = as_scalars(irreps_in, "AtomWise"), as_scalars(irreps_out, "AtomWise")
        self.activation = activation_of(activation)
        self.mlp = MLP(self.irreps_in.dim, hidden, self.irreps_out.dim, n_elements=len(self.elements))

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The perceptron of each element."""
        return self.mlp.element_tables(edit, "mlp")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim) to (n_atoms, irreps_out.dim)."""
        return self.activation(self.mlp(h, edges.element))
