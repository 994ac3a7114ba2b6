"""Cutoff envelopes of edges by name, computed once per forward pass for all parts."""

from __future__ import annotations

from torch import Tensor

from atomgraph.errors import WiringError, check_name
from atomgraph.nn.edges import Edges
from atomgraph.old_names import old_names_of
from atomgraph.ops.cutoff import ENVELOPES, ENVELOPES_WITH_INNER_RADIUS


def checked_envelope(name: str, inner: float = 0.0, cutoff: float = float("inf")) -> str:
    """Return the name if it is in ``ops.cutoff.ENVELOPES`` and allows the inner radius.

    Args:
        name: Name of the envelope.
        inner: Radius at which the envelope starts to decrease, Å.
        cutoff: Cutoff radius, Å.

    Raises:
        WiringError: If the name is unknown (the message contains the most similar name), or the inner radius is not between 0
            and the cutoff, or the envelope has no inner radius.
    """
    check_name("envelope", name, ENVELOPES)
    if inner and name not in ENVELOPES_WITH_INNER_RADIUS:
        names = ", ".join(ENVELOPES_WITH_INNER_RADIUS)
        raise WiringError(f"the envelope {name} has no inner radius, but got {inner} Å; envelopes with one are {names}")
    if not 0 <= inner < cutoff:
        raise WiringError(f"the inner radius of the envelope should be between 0 and {cutoff} Å, but is {inner} Å")
    return name


def edge_envelope(edges: Edges, name: str, cutoff: float) -> Tensor:
    """Envelope :math:`f(r)` of each edge, (n_edges,), zero from the cutoff (Å) on."""
    return edges.cached(("envelope", name, cutoff), lambda: ENVELOPES[name](edges.length, cutoff))


__getattr__ = old_names_of(__name__)
