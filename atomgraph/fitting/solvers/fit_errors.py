"""Error class of linear fits."""

from __future__ import annotations

from atomgraph.errors import AtomgraphError


class FittingError(AtomgraphError, ValueError):
    """Error of a linear fit: undetermined weights, or invalid rows, priors, kernels or settings."""
