"""Cutoff envelopes of edges by name, computed once per forward pass for all parts."""

from __future__ import annotations

from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.nn.edges import Edges
from atomgraph.old_names import old_names_of
from atomgraph.ops.cutoff import ENVELOPES


def checked_envelope(name: str) -> str:
    """Return the name if it is in ``ops.cutoff.ENVELOPES``.

    Raises:
        WiringError: If the name is unknown; the message contains the most similar name.
    """
    if name not in ENVELOPES:
        raise WiringError(f"unknown envelope {name!r}{nearest(str(name), ENVELOPES)}")
    return name


def edge_envelope(edges: Edges, name: str, cutoff: float) -> Tensor:
    """Envelope :math:`f(r)` of each edge, (n_edges,), zero from the cutoff (Å) on."""
    return edges.cached(("envelope", name, cutoff), lambda: ENVELOPES[name](edges.length, cutoff))


__getattr__ = old_names_of(__name__)
