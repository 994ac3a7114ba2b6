"""Two-body convolution: features of neighbours times spherical harmonics of the edge, weighted by distance and summed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.kernels.coupled_sums import SumPath
from atomgraph.nn.constants import Constants
from atomgraph.nn.edge_lists import EdgeLists
from atomgraph.nn.edges import Edges
from atomgraph.nn.equivariant.coupled_sums import coupled_sums, has_kernel
from atomgraph.nn.equivariant.irrep_blocks import Blocks, channels_per_irrep
from atomgraph.nn.equivariant.sum_paths import SumPaths
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.nn.part import Part
from atomgraph.old_names import OldAttribute
from atomgraph.ops.coupled_sum import coupled_sum
from atomgraph.ops.coupling import wigner_3j


class Path(NamedTuple):
    """Coupling of an irrep of the neighbour's features and an irrep of the edge's harmonics to an irrep of the message."""

    feature: o3.Irrep
    harmonics: o3.Irrep
    message: o3.Irrep


def convolution_paths(features: o3.Irreps, harmonics: o3.Irreps, expected: o3.Irreps) -> list[Path]:
    """Return all paths to the expected irreps, sorted by the irrep of the message, then in the order of the inputs.

    Args:
        features: Irreps of the neighbours' features.
        harmonics: Irreps of the harmonics.
        expected: Irreps of the messages.
    """
    targets = set(channels_per_irrep(expected))
    paths = [
        Path(feature, harmonic, message)
        for _, feature in features
        for _, harmonic in harmonics
        for message in feature * harmonic
        if message in targets
    ]
    return sorted(paths, key=lambda path: (path.message.l, path.message.p))


class Convolution(Part):
    r"""Sum of messages of neighbours: features times harmonics times weights, coupled to irreps.

    .. math:: A_{i, k c m_3} = \sum_j w_{k c}(r_{ij}) \sqrt{2 l_3 + 1} \sum_{m_1 m_2}
              C^{l_1 l_2 l_3}_{m_1 m_2 m_3}\, h_{j c m_1} Y_{l_2 m_2}(\hat r_{ij})

    k is the index of the path (l₁, l₂, l₃) in ``paths``, c the channel of the features, and C the real Wigner 3j symbol of
    unit norm. No array of size n_edges · channels · (2l₃+1) is written.

    Args:
        irreps_in: Irreps of the features, each irrep once.
        harmonics: Irreps of Y, one channel of each irrep.
        message_irreps: Irreps of the messages; other irreps are not computed.
        coupling_dtype: ``float32``: values of C are rounded to float32, and stored in float64, as in e3nn and mace-torch. C
            with an l = 0 is not rounded, neither by these programs nor by atomgraph. ``float64``: C is exact.

    Raises:
        WiringError: If an irrep is listed twice, or if no path leads to ``message_irreps``.

    Source: Batatia et al., NeurIPS 2022, Eq. 8.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps | str,
        harmonics: o3.Irreps | str,
        message_irreps: o3.Irreps | str,
        coupling_dtype: str = "float64",
    ):
        super().__init__()
        self.irreps_in, self.harmonics = o3.Irreps(irreps_in), o3.Irreps(harmonics)
        channels = channels_per_irrep(self.irreps_in)
        if len(channels) != len(self.irreps_in):
            raise WiringError(f"a convolution takes each irrep once, but was given {irreps_in}")
        self.paths = convolution_paths(self.irreps_in, self.harmonics, o3.Irreps(message_irreps))
        if not self.paths:
            raise WiringError(f"no path leads from {self.irreps_in} and {self.harmonics} to {message_irreps}")
        self.path_channels = [channels[path.feature] for path in self.paths]
        self._harmonic_columns = dict(zip((irrep for _, irrep in self.harmonics), self.harmonics.slices(), strict=True))
        self._coupling = Constants(
            **{f"path{k}": _coupling(path, coupling_dtype) for k, path in enumerate(self.paths) if path.feature.l > 0}
        )
        self.coupling_dtype = coupling_dtype
        self._sum_paths, matrix = self._make_sum_paths()
        self._matrices = Constants(matrix=matrix)

    def _make_sum_paths(self) -> tuple[SumPaths, np.ndarray]:
        """Return the paths for the kernel, and the map from harmonics to the matrices of an edge, (n_harmonics, n_matrix)."""
        features = [irrep for _, irrep in self.irreps_in]
        messages = list(dict.fromkeys(path.message for path in self.paths))
        message_channels = [0] * len(messages)
        paths, matrices, n_weights, n_matrix = [], [], 0, 0
        for path, channels in zip(self.paths, self.path_channels, strict=True):
            feature, message, d1, d3 = (
                features.index(path.feature),
                messages.index(path.message),
                path.feature.dim,
                path.message.dim,
            )
            paths.append(SumPath(feature, message, d1, d3, channels, n_weights, n_matrix, message_channels[message]))
            message_channels[message] += channels
            n_weights, n_matrix = n_weights + channels, n_matrix + d1 * d3
            coupling = _coupling(path, self.coupling_dtype) if path.feature.l > 0 else np.eye(path.harmonics.dim)
            columns = np.zeros((self.harmonics.dim, d1 * d3))
            columns[self._harmonic_columns[path.harmonics]] = (
                coupling.reshape(-1, d1, d3).transpose(0, 2, 1).reshape(-1, d1 * d3)
            )
            matrices.append(columns)
        dims = [irrep.dim for irrep in messages]
        sum_paths = SumPaths(paths, len(features), n_weights, n_matrix, dims, message_channels)
        return sum_paths, np.concatenate(matrices, axis=1)

    def edge_layout(self, edges: Edges) -> PaddedEdges | EdgeLists:
        """Return the edges as the argument of ``forward``: edge lists if there is a kernel, else padded blocks."""
        return EdgeLists.of(edges) if has_kernel(self._sum_paths, edges.vector) else PaddedEdges.of(edges)

    @property
    def n_weights(self) -> int:
        """Number of weights per edge: the channel index changes fastest, then the path."""
        return sum(self.path_channels)

    @property
    def channels(self) -> int:
        """Number of channels of each irrep, if all irreps have the same number.

        Raises:
            WiringError: If the numbers differ.
        """
        counts = set(channels_per_irrep(self.irreps_in).values())
        if len(counts) > 1:
            raise WiringError(
                f"this convolution has no common number of channels, because its features are {self.irreps_in}"
            )
        return counts.pop()

    @property
    def irreps_out(self) -> o3.Irreps:
        """Irreps of the messages, one entry per path, in the order of the paths."""
        return o3.Irreps([(n, path.message) for n, path in zip(self.path_channels, self.paths, strict=True)])

    def path_coupling(self, path: Path) -> Tensor:
        """Coupling √(2l₃+1) C of a path, (2l₂+1, 2l₁+1, 2l₃+1), for harmonics, features and messages."""
        matrix = torch.from_numpy(_coupling(path, self.coupling_dtype))
        return matrix.unflatten(1, (path.feature.dim, path.message.dim))

    def forward(self, h: Blocks, weights: Tensor, harmonics: Tensor, edges: PaddedEdges | EdgeLists) -> Blocks:
        """Compute the summed messages.

        Args:
            h: Features by irrep, (n_atoms, 2l+1, channels).
            weights: Weights w, (n_edges, n_weights), as ``edges.arrange`` returns them.
            harmonics: Harmonics Y, (n_edges, n_harmonics), as ``edges.arrange`` returns them.
            edges: Edges for the kernel, or in padded blocks; see ``edge_layout``.

        Returns:
            Messages A by irrep, (n_atoms, 2l₃+1, channels of all paths to l₃).
        """
        if isinstance(edges, PaddedEdges):
            return self._sum_blocks(h, weights, harmonics, edges)
        matrices = harmonics @ self._matrices.like(harmonics)["matrix"]
        messages = coupled_sums(self._sum_paths, [h[irrep] for _, irrep in self.irreps_in], weights, matrices, edges)
        return dict(zip(dict.fromkeys(path.message for path in self.paths), messages, strict=True))

    def _sum_blocks(self, h: Blocks, weights: Tensor, harmonics: Tensor, padded_edges: PaddedEdges) -> Blocks:
        """Compute the messages by operations of torch, with weights and harmonics in padded blocks."""
        path_weights = weights.split(self.path_channels, dim=2)
        neighbours = {irrep: padded_edges.gather_neighbours(block) for irrep, block in h.items()}
        coupling = self._coupling.like(harmonics)
        messages: dict[o3.Irrep, list[Tensor]] = {}
        for k, (path, weight) in enumerate(zip(self.paths, path_weights, strict=True)):
            h_j = neighbours[path.feature]  # (n_blocks, block_size, 2l₁+1, channels)
            angular = harmonics[:, :, self._harmonic_columns[path.harmonics]]
            matrix = coupling[f"path{k}"] if path.feature.l > 0 else None  # for l₁ = 0 the coupling is the identity
            message = coupled_sum(h_j, weight, angular, matrix)
            messages.setdefault(path.message, []).append(message)
        return {irrep: padded_edges.sum(torch.cat(parts, dim=2)) for irrep, parts in messages.items()}

    coupling_of = OldAttribute("path_coupling")


def _coupling(path: Path, coupling_dtype: str) -> np.ndarray:
    """Coupling √(2l₃+1) C of a path as a matrix, (2l₂+1, (2l₁+1)·(2l₃+1)), float64."""
    l1, l2, l3 = path.feature.l, path.harmonics.l, path.message.l
    three_j = wigner_3j(l1, l2, l3)
    if coupling_dtype == "float32" and 0 not in (l1, l2, l3):
        three_j = three_j.float().double()
    matrix: np.ndarray = (three_j * (2 * l3 + 1) ** 0.5).permute(1, 0, 2).flatten(1).numpy()
    return matrix
