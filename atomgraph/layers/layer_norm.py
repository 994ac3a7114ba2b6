"""Layer normalisation with bounded derivatives."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.protocols import Layer


class LayerNorm(Layer):
    r"""Layer normalisation over the channels of each atom.

    .. math:: h'_{ic} = g_c (h_{ic} - \bar h_i) / \sqrt{\mathrm{var}_c h_{ic} + \epsilon} + b_c

    The parameters are ``gain`` (g, initially one) and ``bias`` (b, initially zero), both (channels,).

    Args:
        irreps_in: Scalar features per atom, two or more, as a number or irreps (``0e``).
        epsilon: Regularisation ε, positive. It is larger than the usual 10⁻⁵, because derivatives, and with them forces, are
            of the order :math:`\epsilon^{-1/2}` for an atom with nearly equal features.

    Raises:
        WiringError: If there are fewer than two channels, or epsilon is not positive.

    Source: Ba, Kiros and Hinton, arXiv:1607.06450 (2016).
    """

    def __init__(self, irreps_in: o3.Irreps | str | int, epsilon: float = 0.1):
        super().__init__()
        self.irreps_in = self.irreps_out = as_scalars(irreps_in, "LayerNorm")
        channels = self.irreps_in.dim
        if channels < 2 or not epsilon > 0:
            raise WiringError(
                f"layer normalisation needs two channels or more and a positive epsilon, but has {channels} and {epsilon}"
            )
        self.epsilon = float(epsilon)
        self.gain = torch.nn.Parameter(torch.ones(channels))
        self.bias = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return normalised features, (n_atoms, channels), of features h, (n_atoms, channels)."""
        deviation = h - h.mean(dim=1, keepdim=True)
        variance = deviation.square().mean(dim=1, keepdim=True)
        return self.gain * deviation * torch.rsqrt(variance + self.epsilon) + self.bias
