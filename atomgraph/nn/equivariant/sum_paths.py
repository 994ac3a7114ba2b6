"""Paths of coupled sums over neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atomgraph.kernels.coupled_sums import SumPath


@dataclass(frozen=True, eq=False)
class SumPaths:
    r"""Paths k of coupled sums, :math:`A_{i k c m} = \sum_j w_{ij,kc} \sum_n M_{ij,k m n} h_{j c n}` for each channel c.

    Attributes:
        paths: The paths.
        n_features: Number of arrays of features h.
        n_weights: Number of weights w of an edge.
        n_matrix: Number of elements of all matrices M of an edge.
        message_dims: Number of components m of each array of messages A.
        message_channels: Number of channels of each array of messages.
    """

    paths: Sequence[SumPath]
    n_features: int
    n_weights: int
    n_matrix: int
    message_dims: Sequence[int]
    message_channels: Sequence[int]

    @property
    def max_degree(self) -> int:
        """Largest degree l of features and messages."""
        return int(max(max(path.d1, path.d3) for path in self.paths) - 1) // 2
