"""A readout that reads features and says nothing of them: they count as read, and add no energy."""

from __future__ import annotations

from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.protocols import Readout


class ZeroReadout(Readout):
    r""":math:`\varepsilon_i = 0`: for a layer whose features are descriptors, but whose energy is told by a later one.

    Args:
        irreps_in: Irreps of the features, or their number.
        n_outputs: Columns of the result, one a head.
    """

    def __init__(self, irreps_in: o3.Irreps | str | int, n_outputs: int = 1):
        super().__init__()
        self.irreps_in, self.n_outputs = as_irreps(irreps_in), n_outputs

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """None."""
        return {}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim) to zeros, (n_atoms, n_outputs)."""
        return h.new_zeros(len(h), self.n_outputs)
