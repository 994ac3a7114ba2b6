"""What can go wrong in a closed-form fit."""

from __future__ import annotations

from atomgraph.errors import AtomgraphError


class FittingError(AtomgraphError, ValueError):
    """A linear fit that the data do not determine, or rows, priors and kernels that do not fit together."""
