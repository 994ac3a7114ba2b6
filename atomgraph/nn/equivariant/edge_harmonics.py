"""Spherical harmonics of the edges, computed once per forward pass for all layers that use them."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.ops.spherical import spherical_harmonics


def edge_harmonics(edges: Edges, l_max: int, solid: bool = False) -> Tensor:
    r"""Return the harmonics of the directions of the edges, (n_edges, (l_max + 1)²).

    Args:
        edges: The edges.
        l_max: Largest degree.
        solid: Use solid harmonics :math:`r^l\, Y_{lm}(\hat r)`, with r in Å.
    """
    return edges.cached(("harmonics", l_max, solid), lambda: _compute(edges, l_max, solid))


def _compute(edges: Edges, l_max: int, solid: bool) -> Tensor:
    """Return the harmonics, computed in float64 because of their large derivatives, in the dtype of the edges."""
    exact = edges.exact
    harmonics = spherical_harmonics(l_max, exact.vector)
    if solid:
        degrees = torch.tensor([l for l in range(l_max + 1) for _ in range(2 * l + 1)], device=harmonics.device)
        harmonics = harmonics * exact.length[:, None] ** degrees
    return harmonics.to(edges.vector.dtype)
