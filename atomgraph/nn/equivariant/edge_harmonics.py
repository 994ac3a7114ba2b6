"""Spherical harmonics of the edges, computed once per forward pass for all layers that use them."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.nn.edge_lists import EdgeLists
from atomgraph.nn.edges import Edges
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.ops.spherical import spherical_harmonics


def edge_harmonics(edges: Edges, l_max: int, solid: bool = False) -> Tensor:
    r"""Return the harmonics of the directions of the edges, (n_edges, (l_max + 1)²).

    Args:
        edges: The edges.
        l_max: Largest degree.
        solid: Use solid harmonics :math:`r^l\, Y_{lm}(\hat r)`, with r in Å.
    """
    return edges.cached(("harmonics", l_max, solid), lambda: _compute(edges, l_max, solid))


def arranged_harmonics(edges: Edges, layout: PaddedEdges | EdgeLists, l_max: int, solid: bool = False) -> Tensor:
    """Return ``edge_harmonics`` as a convolution takes them: in padded blocks, or unchanged for a kernel.

    Args:
        edges: The edges.
        layout: Form of the edges, from ``Convolution.edge_layout``.
        l_max: Largest degree.
        solid: Use solid harmonics.
    """
    key = ("arranged harmonics", type(layout), l_max, solid)
    return edges.cached(key, lambda: layout.arrange(edge_harmonics(edges, l_max, solid)))


def _compute(edges: Edges, l_max: int, solid: bool) -> Tensor:
    """Return the harmonics, computed in float64 because of their large derivatives, in the dtype of the edges."""
    exact = edges.exact
    harmonics = spherical_harmonics(l_max, exact.vector)
    if solid:
        degrees = torch.tensor([l for l in range(l_max + 1) for _ in range(2 * l + 1)], device=harmonics.device)
        harmonics = harmonics * exact.length[:, None] ** degrees
    return harmonics.to(edges.vector.dtype)
