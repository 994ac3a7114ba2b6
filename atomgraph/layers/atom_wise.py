"""Atom-wise layer: a perceptron for each element, without messages between atoms."""

from __future__ import annotations

from collections.abc import Sequence

from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.activation import get_activation
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.mlp import MLP
from atomgraph.nn.protocols import Layer


class AtomWise(Layer):
    r"""Atom-wise layer, :math:`h'_i = \sigma(h_i W_{z_i} + b_{z_i})`, with weights for each element.

    The layer can change the number of channels, and makes features depend on the element of the atom.

    Args:
        elements: Chemical symbols, in the order of the model.
        irreps_in, irreps_out: Scalar features per atom before and after the layer, as a number or irreps (``0e``).
        hidden: Widths of hidden layers before the map above, each with activation silu.
        activation: Name of the activation function σ, in ``nn.activation.ACTIVATIONS``.

    Raises:
        WiringError: If the activation is unknown, or a width is below one.
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
        self.activation = get_activation(activation)
        self.mlp = MLP(self.irreps_in.dim, hidden, self.irreps_out.dim, n_elements=len(self.elements))

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return the weights of the perceptron of each element."""
        return self.mlp.element_tables(edit, "mlp")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return new features, (n_atoms, irreps_out.dim), of features h, (n_atoms, irreps_in.dim)."""
        return self.activation(self.mlp(h, edges.element))
