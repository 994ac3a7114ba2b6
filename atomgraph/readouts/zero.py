"""Readout without energy, for layers whose features are descriptors only."""

from __future__ import annotations

from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.protocols import Readout


class ZeroReadout(Readout):
    r"""Readout with zero energy, :math:`\varepsilon_i = 0`.

    It marks the features of a layer as descriptors, if the energy depends on the features of later layers only.

    Args:
        irreps_in: Irreps of the features, or the number of features if all are scalars.
        n_outputs: Number of outputs per atom, one per head.
    """

    def __init__(self, irreps_in: o3.Irreps | str | int, n_outputs: int = 1):
        super().__init__()
        self.irreps_in, self.n_outputs = as_irreps(irreps_in), n_outputs

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return no weights."""
        return {}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return zeros, (n_atoms, n_outputs), eV."""
        return h.new_zeros(len(h), self.n_outputs)
