"""What kernels of pairs and of triples take alike: which elements they are for, and where they begin to fade."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.errors import WiringError


def rows_of(elements: Sequence[str], given: Sequence[str], n: int, name: str) -> list[int]:
    """Rows of the named elements; WiringError unless there are n, all known."""
    if isinstance(given, str) or len(given) != n or not set(given) <= set(elements):
        raise WiringError(f"{name} should name {n} of {', '.join(elements)}, but is {given!r}")
    return [list(elements).index(symbol) for symbol in given]


def inner_of(cutoff: float, envelope_width: float) -> float:
    """Where the fall of the cutoff function begins; WiringError unless both lengths make sense."""
    if not 0 < envelope_width <= cutoff < float("inf"):
        raise WiringError(f"envelope_width should be in 0 … cutoff = {cutoff} Å, but is {envelope_width} Å")
    return float(cutoff - envelope_width)


def spread(start: float, end: float, n: int) -> Tensor:
    """n numbers from start to end, the same in every default dtype: points that stand until others are set."""
    return torch.linspace(start, end, n, dtype=torch.float64).float().to(torch.get_default_dtype())
