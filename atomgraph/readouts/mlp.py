"""A multilayer perceptron that all elements share; features must then tell the elements apart."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn import mlp
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.protocols import Readout


class MLP(mlp.LastLayer, Readout):
    r""":math:`\varepsilon_i = \mathrm{MLP}(h_i)`, one set of weights for all atoms.

    n_features: scalar features per atom.  hidden: widths of the hidden layers.  activation: ``silu``, ``tanh``, ``softplus``.
    n_outputs: columns of the result, one a head.
    Raises WiringError for an unknown activation or a width below one.
    """

    def __init__(self, n_features: int, hidden: Sequence[int] = (32,), activation: str = "silu", n_outputs: int = 1):
        super().__init__()
        self.irreps_in = as_irreps(n_features)
        self.n_outputs = n_outputs
        self.mlp = mlp.MLP(n_features, hidden, n_outputs, activation)

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_features) to (n_atoms, n_outputs)."""
        return self.mlp(h)
