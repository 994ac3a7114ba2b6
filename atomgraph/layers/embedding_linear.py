"""Equivariant linear map whose matrices depend on the element of the atom through a shared embedding vector."""

from __future__ import annotations

from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.equivariant.irrep_blocks import Blocks, channels_per_irrep
from atomgraph.nn.equivariant.linear import map_by_element, shared_channels, with_zeros
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.part import Part


class EmbeddingLinear(Part):
    r"""Equivariant linear map, :math:`y_{i w m} = \frac{1}{\sqrt{n_{in} D}} \sum_{u d} W_{d u w}\, a_{z_i d}\, x_{i u m}`.

    :math:`a_z` is the vector of element z in an embedding, D its length. ``weights[irrep]`` is (D, n_in, n_out), initialised
    with normally distributed numbers.

    Args:
        embedding: Embedding of elements with a table ``weight``, (n_elements, D), such as ``featurizers.ElementEmbedding``.
            Layers of one model share it.
        irreps_in: Irreps of the input.
        irreps_out: Irreps of the output; an irrep that the input does not contain is zero.

    Raises:
        WiringError: If the embedding has no table.

    Source: Batzner et al., Nat. Commun. 13, 2453 (2022), self-interaction; Geiger and Smidt, arXiv:2207.09453
    (``o3.FullyConnectedTensorProduct``).
    """

    def __init__(self, embedding: Part, irreps_in: o3.Irreps | str, irreps_out: o3.Irreps | str):
        super().__init__()
        table = getattr(embedding, "weight", None)
        if not isinstance(table, Tensor) or table.ndim != 2:
            kind = type(embedding).__name__
            raise WiringError(
                f"an EmbeddingLinear needs an embedding with one vector per element in weight, but got a {kind}"
            )
        self.embedding: Any = embedding
        self.n_embedding = int(table.shape[1])
        self.irreps_in, self.irreps_out = o3.Irreps(irreps_in), o3.Irreps(irreps_out)
        self._shapes = shared_channels(self.irreps_in, self.irreps_out)
        self._channels_out = channels_per_irrep(self.irreps_out)
        self.weights = torch.nn.ParameterDict(
            {str(irrep): torch.randn(self.n_embedding, *shape) for irrep, shape in self._shapes.items()}
        )

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the matrix of each irrep and embedding component, which LoRA adapts only with ``skip_connections``."""
        return matrices(self, "weights.", option="skips")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return no weights: only the embedding, which returns its own weights, depends on elements."""
        return {}

    def element_matrices(self) -> Blocks:
        """Return the matrices of all elements by irrep, (n_elements, n_in, n_out), with all factors."""
        table = self.embedding.weight
        return {
            irrep: torch.tensordot(table, self.weights[str(irrep)] / (n_in * self.n_embedding) ** 0.5, dims=1)
            for irrep, (n_in, _) in self._shapes.items()
        }

    def forward(self, x: Blocks, element: Tensor) -> Blocks:
        """Map features by irrep.

        Args:
            x: Features by irrep, (n_atoms, 2l+1, n_in).
            element: Row of each atom's element in the embedding, (n_atoms,).

        Returns:
            Features by irrep, (n_atoms, 2l+1, n_out).
        """
        y = map_by_element(x, self.element_matrices(), element)
        return with_zeros(y, self._channels_out, next(iter(x.values())))
