"""Radial weights of the paths of a frozen NequIP layer, as functions of the distance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.compiled.radial_tables import Pair, RadialFunctions
from atomgraph.compiled.radial_weights import RadialWeights, pair_edges
from atomgraph.layers.nequip_layer import NequIPLayer
from atomgraph.nn.equivariant.convolution import Path


class LayerWeights(RadialWeights):
    """Radial weights of some paths of the convolution of a layer.

    Args:
        layer: The layer, in float64.
        paths: The paths, all of them paths of ``layer.convolution``.
    """

    def __init__(self, layer: NequIPLayer, paths: Sequence[Path]):
        self._layer = layer
        self.is_pairwise = layer.radial.pair_cutoffs is not None or layer.radial.transform is not None
        convolution = layer.convolution
        starts = dict(zip(convolution.paths, _starts(convolution.path_channels), strict=True))
        channels = dict(zip(convolution.paths, convolution.path_channels, strict=True))
        self._columns = [starts[path] + k for path in paths for k in range(channels[path])]
        self._degrees = [path.harmonics.l for path in paths for _ in range(channels[path])]  # of the harmonics

    def pairs(self, element_rows: Sequence[int]) -> list[Pair]:
        """Return the pairs of elements whose weights edges use: ordered pairs, because cutoffs of pairs are not symmetric."""
        return [(i, j) for i in element_rows for j in element_rows] if self.is_pairwise else [(0, 0)]

    def functions(self, pairs: Sequence[Pair]) -> RadialFunctions:
        """Return the weights of pairs of elements as functions of the distance.

        For solid harmonics, the weights contain the factor :math:`r^l`. The hidden outputs are then repeated for each degree l,
        times :math:`r^l`.
        """
        layer, last = self._layer, self._layer.network.last.detach()[:, self._columns]
        degrees = sorted(set(self._degrees)) if layer.solid_harmonics else [0]

        def hidden(r: Tensor) -> Tensor:
            edges = pair_edges(r, pairs, len(layer.elements))
            features, envelope = layer.radial(edges)
            h: Tensor = layer.network.hidden(features)
            if envelope is not None:
                h = h * envelope[:, None]
            if degrees != [0]:
                h = torch.cat([h * edges.length[:, None] ** degree for degree in degrees], dim=1)
            return h.view(len(r), -1)

        if degrees == [0]:
            return RadialFunctions(hidden, last)
        blocks = [last * torch.tensor([float(l == degree) for l in self._degrees]) for degree in degrees]
        return RadialFunctions(hidden, torch.cat(blocks))


def _starts(sizes: Sequence[int]) -> list[int]:
    """Return the index of the first value of each consecutive block of these sizes."""
    starts = [0]
    for size in sizes[:-1]:
        starts.append(starts[-1] + size)
    return starts
