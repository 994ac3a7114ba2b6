"""A multilayer perceptron that all elements share; features must then tell the elements apart."""

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
    r""":math:`\varepsilon_i = \mathrm{MLP}(h_i)`, one set of weights for all atoms.

    Args:
        irreps_in: Scalars per atom, their number or irreps (``0e``).
        readout_hidden: Widths of the hidden layers.
        activation: ``silu``, ``tanh``, ``softplus``.
        n_outputs: Columns of the result, one a head.

    Raises:
        WiringError: For an unknown activation or a width below one.
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
        """(n_atoms, irreps_in.dim) to (n_atoms, n_outputs)."""
        return self.mlp(h)
