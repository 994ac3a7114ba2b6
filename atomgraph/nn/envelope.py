"""Envelopes of edges by name: made once for a forward pass, whichever parts ask for them."""

from __future__ import annotations

from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.nn.edges import Edges
from atomgraph.ops.cutoff import ENVELOPES


def checked_envelope(name: str) -> str:
    """The name of an envelope in ``ops.cutoff.ENVELOPES``; WiringError, with the nearest one, for another."""
    if name not in ENVELOPES:
        raise WiringError(f"unknown envelope {name!r}{nearest(str(name), ENVELOPES)}")
    return name


def envelope_of(edges: Edges, name: str, cutoff: float) -> Tensor:
    """(n_edges,) :math:`f(r)`, zero from the cutoff (Å) on."""
    return edges.cached(("envelope", name, cutoff), lambda: ENVELOPES[name](edges.length, cutoff))
