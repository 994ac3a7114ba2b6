"""Layer normalisation, with bounded derivatives."""

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
    r""":math:`h'_{ic} = g_c (h_{ic} - \bar h_i) / \sqrt{\mathrm{var}_c h_{ic} + \epsilon} + b_c` over an atom's channels.

    Args:
        irreps_in: Scalars per atom, two or more, their number or irreps (``0e``).
        epsilon: Positive; not as small as usual (10^-5), since an atom whose features are nearly equal would have
            derivatives, and so forces, of :math:`\epsilon^{-1/2}`. ``gain`` is g, one at first, ``bias`` b, zero.

    Raises:
        WiringError: For fewer channels or an epsilon that is not positive.

    Source: Ba, Kiros and Hinton, arXiv:1607.06450 (2016).
    """

    def __init__(self, irreps_in: o3.Irreps | str | int, epsilon: float = 0.1):
        super().__init__()
        self.irreps_in = self.irreps_out = as_scalars(irreps_in, "LayerNorm")
        channels = self.irreps_in.dim
        if channels < 2 or not epsilon > 0:
            raise WiringError(
                f"layer normalisation needs two channels and a positive epsilon, but has {channels} and {epsilon}"
            )
        self.epsilon = float(epsilon)
        self.gain = torch.nn.Parameter(torch.ones(channels))
        self.bias = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, channels), before and after."""
        apart = h - h.mean(dim=1, keepdim=True)
        variance = apart.square().mean(dim=1, keepdim=True)
        return self.gain * apart * torch.rsqrt(variance + self.epsilon) + self.bias
