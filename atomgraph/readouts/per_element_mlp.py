"""Multilayer perceptron for each element: the atomic networks of Behler and Parrinello."""

from __future__ import annotations

from collections.abc import Sequence

from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.mlp import MLP, LastLayer
from atomgraph.nn.protocols import Readout


class PerElementMLP(LastLayer, Readout):
    r"""Multilayer perceptron with separate weights for each element, :math:`\varepsilon_i = \mathrm{MLP}_{z_i}(h_i)`.

    Args:
        elements: Chemical symbols, in the order of the model.
        irreps_in: Scalar features per atom, as a number or irreps (``0e``).
        readout_hidden: Widths of the hidden layers.
        activation: Name of the activation function, in ``nn.activation.ACTIVATIONS``.
        n_outputs: Number of outputs per atom, one per head.

    Raises:
        WiringError: If the activation is unknown, or a width is below one.

    Source: Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
    """

    follows_columns = True

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str | int,
        readout_hidden: Sequence[int] = (32, 32),
        activation: str = "silu",
        n_outputs: int = 1,
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        self.irreps_in = as_scalars(irreps_in, "PerElementMLP")
        self.n_outputs = n_outputs
        self.mlp = MLP(self.irreps_in.dim, readout_hidden, n_outputs, activation, n_elements=len(self.elements))

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return the weights of the perceptron of each element."""
        return self.mlp.element_tables(edit, "mlp")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, irreps_in.dim)."""
        return self.mlp(h, edges.element)
