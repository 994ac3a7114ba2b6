"""Multilayer perceptron with equal weights for all elements, for features that depend on the element."""

from __future__ import annotations

from collections.abc import Sequence

from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn import mlp
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.protocols import Readout


class MLP(mlp.LastLayer, Readout):
    r"""Multilayer perceptron, :math:`\varepsilon_i = \mathrm{MLP}(h_i)`, with equal weights for all atoms.

    The base class ``mlp.LastLayer`` gives a closed-form fit access to the weights of the last layer of ``self.mlp``.

    Args:
        irreps_in: Scalar features per atom, as a number or irreps (``0e``).
        readout_hidden: Widths of the hidden layers.
        activation: Name of the activation function, in ``nn.activation.ACTIVATIONS``.
        n_outputs: Number of outputs per atom, one per head.

    Raises:
        WiringError: If the activation is unknown, or a width is below one.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps | str | int,
        readout_hidden: Sequence[int] = (32,),
        activation: str = "silu",
        n_outputs: int = 1,
    ):
        super().__init__()
        self.irreps_in = as_scalars(irreps_in, "MLP")
        self.n_outputs = n_outputs
        self.mlp = mlp.MLP(self.irreps_in.dim, readout_hidden, n_outputs, activation)

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, irreps_in.dim)."""
        return self.mlp(h)
