"""Descriptor of Deep Potential with distances and directions, ``se_e2_a``."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.deep_potential.base import DeepPotentialDescriptor
from atomgraph.featurizers.deep_potential.embedding import Embedding, TypeEmbedding
from atomgraph.featurizers.deep_potential.environment import EnvironmentMatrix
from atomgraph.featurizers.deep_potential.neighbour_sums import embedded_sum, padding_sum
from atomgraph.featurizers.deep_potential.removed_padding import removed_padding
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit


class DeepPotAngular(DeepPotentialDescriptor):
    r"""Invariant products of embedded environment matrices, ``se_e2_a`` of deepmd-kit.

    .. math:: B_i = \frac1N \sum_j G_{ij} \otimes \tilde R_{ij}, \qquad h_i = B_i\, B_{i,<}^T

    :math:`\tilde R_{ij}` are the rows of the environment matrix, :math:`G_{ij}` the embedding of their first number, and
    :math:`B_<` the first ``axis_channels`` of the M rows of B. Column :math:`a\,n_{axis} + b` of h is the product of rows a and
    b. N is the number of slots of an atom, and the sum is over all slots. An empty slot for element t has the row
    :math:`z = (-\mu / s, 0, 0, 0)` and adds :math:`g_t(z_0) \otimes z`, which is computed once per pair of elements.

    Args:
        environment: Environment matrix.
        embedding: ``EmbeddingNetworks``, or ``TypeEmbedding`` (``se_atten`` of deepmd-kit without attention layers).
        axis_channels: Number of rows of :math:`B_<`, at most M.
        append_types: Whether the vector of the element is appended to h; only with a ``TypeEmbedding``.

    Raises:
        WiringError: If an argument is invalid.

    Source: Zhang et al., NeurIPS 31, 4436 (2018); the program deepmd-kit 3.
    """

    removed_padding: Tensor

    def __init__(
        self,
        environment: EnvironmentMatrix,
        embedding: Embedding,
        axis_channels: int = 16,
        append_types: bool = False,
    ):
        super().__init__(environment, embedding)
        self._require_embedding()
        if not 1 <= axis_channels <= embedding.channels:
            raise WiringError(f"axis_channels should be 1 to {embedding.channels}, but is {axis_channels}")
        if append_types and not isinstance(embedding, TypeEmbedding):
            raise WiringError("append_types needs a TypeEmbedding")
        if environment.centred and (isinstance(environment.sel, int) or isinstance(embedding, TypeEmbedding)):
            raise WiringError(
                "an environment matrix with centred=True needs EmbeddingNetworks, and sel by element or None"
            )
        self.axis_channels, self.append_types = axis_channels, append_types
        n_types = embedding.vectors.shape[1] if append_types and isinstance(embedding, TypeEmbedding) else 0
        self.irreps_out = o3.Irreps(f"{embedding.channels * axis_channels + n_types}x0e")
        self._register_removed_padding()

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Sum over the empty slots of elements that are removed, which is constant for each element of the centre."""
        # without a mean, the rows of empty slots are zero
        slots = self.environment.padding_slots * float(self.environment.centred)
        return {"removed_padding": removed_padding(self.removed_padding, self._padding_table(), slots, edit)}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, irreps_out.dim), invariant scalars."""
        environment = self.environment(edges)
        sums = embedded_sum(environment, self.embedding, None)  # (n_atoms, M, 4)
        if self.environment.centred:
            slots, constant = self.environment.padding_slots, self.removed_padding
            padding = padding_sum(environment, self._padding_table(), slots, constant)
            sums = sums + torch.nn.functional.pad(padding[..., None], (0, 3))
        sums = sums / self.environment.total_slots.to(sums.dtype)
        products = sums @ sums[:, : self.axis_channels].transpose(1, 2)  # (n_atoms, M, axis_channels)
        h = products.flatten(1)
        return torch.cat([h, self.embedding.vectors[edges.element]], dim=1) if self.append_types else h

    def _padding_table(self) -> Tensor:
        """Return the first column of g ⊗ z for an empty slot, (n_elements, n_elements, M); the other columns are zero.

        The axes are the element of the centre and the element of the slot.
        """
        empty = self.environment.empty_row().to(self.removed_padding.dtype)
        return self.embedding.by_element(empty) * empty[:, None, None]
