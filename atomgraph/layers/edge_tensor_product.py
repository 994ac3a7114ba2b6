"""Product of tensors of an edge with a tensor of its centre, channel by channel, as in Allegro."""

from __future__ import annotations

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.constants import Constants
from atomgraph.nn.linear_map import LinearMap
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.nn.part import Part
from atomgraph.ops.coupling import wigner_3j


class EdgeTensorProduct(Part):
    r"""Product of the tensors V of each edge with the tensor E of its centre.

    .. math:: V'_{ij u m_3} = \sum_p W_{u p} \sqrt{2 l_3 + 1} \sum_{m_1 m_2}
              C^{l_1 l_2 l_3}_{m_1 m_2 m_3}\, V_{ij u m_1} E_{i u m_2}

    The paths p = (irrep of V, irrep of E, irrep of V') are sorted by the irrep of V', then of V, then of E. The parameter
    ``weight`` (W) is (U, n_paths), or (1, n_paths) with equal weights for all channels u.

    Args:
        irreps_edge: Irreps of V, with multiplicity one.
        irreps_centre: Irreps of E, with multiplicity one.
        irreps_out: Irreps of V', with multiplicity one.
        channels: Number U of channels.
        by_channel: Whether each channel has its own weights.

    Raises:
        WiringError: If an irrep of V' has no path.

    Source: Musaelian et al., Nat. Commun. 14, 579 (2023); the program nequip-allegro 0.8.
    """

    def __init__(
        self,
        irreps_edge: o3.Irreps | str,
        irreps_centre: o3.Irreps | str,
        irreps_out: o3.Irreps | str,
        channels: int,
        by_channel: bool = True,
    ):
        super().__init__()
        self.irreps_edge, self.irreps_centre = o3.Irreps(irreps_edge), o3.Irreps(irreps_centre)
        self.irreps_out, self.channels = o3.Irreps(irreps_out), channels
        self.paths = [
            (v, e, out)
            for _, out in self.irreps_out
            for _, v in self.irreps_edge
            for _, e in self.irreps_centre
            if out in v * e
        ]
        if {out for _, _, out in self.paths} != {out for _, out in self.irreps_out}:
            raise WiringError(
                f"no path leads from {self.irreps_edge} and {self.irreps_centre} to all of {self.irreps_out}"
            )
        self._couplings = Constants(couplings=self._dense_couplings())
        self.weight = torch.nn.Parameter(torch.randn(channels if by_channel else 1, len(self.paths)))

    def _dense_couplings(self) -> np.ndarray:
        """Return √(2l₃+1) C of all paths, (n_paths, dim of E, dim of V · dim of V')."""
        dense = np.zeros((len(self.paths), self.irreps_centre.dim, self.irreps_edge.dim, self.irreps_out.dim))
        columns = [
            dict(zip((irrep for _, irrep in irreps), irreps.slices(), strict=True))
            for irreps in (self.irreps_edge, self.irreps_centre, self.irreps_out)
        ]
        for p, (v, e, out) in enumerate(self.paths):
            symbol = wigner_3j(v.l, e.l, out.l) * (2 * out.l + 1) ** 0.5
            dense[p, columns[1][e], columns[0][v], columns[2][out]] = symbol.permute(1, 0, 2).numpy()
        return dense.reshape(len(self.paths), self.irreps_centre.dim, -1)

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return no linear maps: the weights multiply paths, and do not mix channels."""
        return {}

    def forward(self, tensors: Tensor, centre: Tensor, padded_edges: PaddedEdges) -> Tensor:
        """Compute the products.

        Args:
            tensors: V in padded blocks of edges, (n_blocks, U, block_size, dim of V).
            centre: E of the atoms, (U, n_atoms, dim of E).
            padded_edges: Edges in padded blocks.

        Returns:
            V' in padded blocks, (n_blocks, U, block_size, dim of V').
        """
        couplings = self._couplings.like(tensors)["couplings"]
        weighted = torch.tensordot(self.weight, couplings, dims=1)  # (U or 1, dim of E, dim of V · dim of V')
        matrices = torch.matmul(centre, weighted).transpose(0, 1)  # (n_atoms, U, dim of V · dim of V')
        by_block = matrices.index_select(0, padded_edges.centre)
        return tensors @ by_block.unflatten(2, (self.irreps_edge.dim, self.irreps_out.dim))
