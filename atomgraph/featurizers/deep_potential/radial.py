"""Descriptor of Deep Potential with distances only, ``se_e2_r``."""

from __future__ import annotations

from e3nn import o3
from torch import Tensor

from atomgraph.featurizers.deep_potential.base import DeepPotentialDescriptor
from atomgraph.featurizers.deep_potential.embedding import EmbeddingNetworks
from atomgraph.featurizers.deep_potential.environment import EnvironmentMatrix
from atomgraph.featurizers.deep_potential.neighbour_sums import embedded_sum, padding_sum
from atomgraph.featurizers.deep_potential.removed_padding import removed_padding
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit

_DIVISOR = 5.0  # a constant of deepmd-kit


class DeepPotRadial(DeepPotentialDescriptor):
    r"""Sums of embedded inverse distances, ``se_e2_r`` of deepmd-kit: :math:`h_i = \frac1{5N} \sum_j g_{z_j}(\tilde R_{ij,0})`.

    The sum is over all N slots of an atom; empty slots add :math:`g_t(-\mu / s)`.

    Args:
        environment: Environment matrix.
        embedding: Embedding networks.

    Raises:
        WiringError: If an argument is invalid.

    Source: the program deepmd-kit 3.
    """

    removed_padding: Tensor

    def __init__(self, environment: EnvironmentMatrix, embedding: EmbeddingNetworks):
        super().__init__(environment, embedding)
        self._require_embedding()
        self._require_slots_by_element()
        self.irreps_out = o3.Irreps(f"{embedding.channels}x0e")
        self._register_removed_padding()

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Sum over the empty slots of elements that are removed, which is constant for each element of the centre."""
        slots = self.environment.padding_slots
        return {"removed_padding": removed_padding(self.removed_padding, self._padding_table(), slots, edit)}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, channels), invariant scalars."""
        environment = self.environment(edges)
        ones = environment.rows.new_ones(environment.edges.n_edges, 1)
        sums = embedded_sum(environment, self.embedding, ones)[..., 0]
        slots, constant = self.environment.padding_slots, self.removed_padding
        sums = sums + padding_sum(environment, self._padding_table(), slots, constant)
        return sums / (_DIVISOR * self.environment.total_slots.to(sums.dtype))

    def _padding_table(self) -> Tensor:
        """Return the features of an empty slot by element of the centre and of the slot, (n_elements, n_elements, channels)."""
        return self.embedding.by_element(self.environment.empty_row().to(self.removed_padding.dtype))
