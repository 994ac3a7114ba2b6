"""Update block of PaiNN: an exchange between scalars and vectors of the same atom."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.scalar_vector import (
    join_scalars_and_vectors,
    scalar_vector_channels,
    scalar_vector_irreps,
    split_scalars_and_vectors,
)
from atomgraph.nn.edges import Edges
from atomgraph.nn.mlp import MLP
from atomgraph.nn.protocols import Layer


class PaiNNUpdate(Layer):
    r"""Update block of PaiNN, without neighbours.

    .. math:: (\vec V, \vec U) = \vec\mu W, \qquad n = \sqrt{\vec V \cdot \vec V + \epsilon}, \qquad
              (a, b, c) = \mathrm{MLP}([q, n]), \qquad
              q' = q + a + c\, \vec V \cdot \vec U, \qquad \vec\mu' = \vec\mu + b\, \vec U

    W mixes channels, and the products are those of components of the same channel. The perceptron has one hidden layer.

    Args:
        irreps_in: ``Kx0e+Kx1o``: scalars q and vectors :math:`\vec\mu`.
        returns_vectors: Whether the output contains the vectors; False for the last layer before a readout of scalars.
        epsilon: Constant :math:`\epsilon`, positive, no unit, so that n has derivatives at :math:`\vec V = 0`.
        activation: Activation function of the perceptron.
        same_weights_as: Layer whose weights this layer also uses; None: own weights.

    Raises:
        WiringError: If irreps or ε are invalid, or the other layer has another number of channels.

    Source: Schütt, Unke and Gastegger, ICML 2021, arXiv:2102.03150; the program schnetpack 2.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps | str,
        returns_vectors: bool = True,
        epsilon: float = 1e-8,
        activation: str = "silu",
        same_weights_as: PaiNNUpdate | None = None,
    ):
        super().__init__()
        self.channels, has_vectors = scalar_vector_channels(irreps_in, "PaiNNUpdate")
        if not has_vectors:
            raise WiringError(f"a PaiNNUpdate needs vectors, such as 8x0e+8x1o, but was given {irreps_in}")
        if not epsilon > 0:
            raise WiringError(f"epsilon of a PaiNNUpdate should be positive, but is {epsilon}")
        self.irreps_in = scalar_vector_irreps(self.channels)
        self.irreps_out = scalar_vector_irreps(self.channels, returns_vectors)
        self.returns_vectors, self.epsilon = returns_vectors, float(epsilon)
        if same_weights_as is None:
            self.mix = torch.nn.Linear(self.channels, 2 * self.channels, bias=False)
            torch.nn.init.xavier_uniform_(self.mix.weight)
            network = MLP(2 * self.channels, [self.channels], 3 * self.channels, activation)
            self.network = network.set_xavier_weights()
        elif same_weights_as.channels == self.channels:
            self.mix, self.network = same_weights_as.mix, same_weights_as.network
        else:
            raise WiringError(
                f"a PaiNNUpdate with {self.channels} channels cannot use weights of a layer with "
                f"{same_weights_as.channels} channels"
            )

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return features, (n_atoms, irreps_out.dim), of features h, (n_atoms, 4K)."""
        scalars, vectors = split_scalars_and_vectors(h, self.channels)
        mixed_v, mixed_u = self.mix(vectors).split(self.channels, dim=2)  # (n_atoms, 3, K) each
        norm = (mixed_v.square().sum(dim=1) + self.epsilon).sqrt()
        scalar, vector, product = self.network(torch.cat([scalars, norm], dim=1)).split(self.channels, dim=1)
        scalars = scalars + scalar + product * (mixed_v * mixed_u).sum(dim=1)
        return (
            join_scalars_and_vectors(scalars, vectors + vector[:, None, :] * mixed_u)
            if self.returns_vectors
            else scalars
        )
