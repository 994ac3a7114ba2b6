"""Sparse points of kernels of pairs and triples: their buffers, and checks of the arguments of both kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.old_names import OldAttribute, old_names_of


class SparsePoints(torch.nn.Module):
    """Mixin for kernels: sparse points with which the pairs or triples of an atom are compared.

    Attributes:
        points: Coordinates of the points, (n_points,) for one coordinate, else (n_points, n_coordinates).
        theta: Length scale of each coordinate, (n_coordinates,), in the unit of the coordinate.
        delta: Standard deviation δ of the energy, (1,), eV.
        point_weight: Weight of each point, (n_points,); the column of a point of weight 0 is zero.
        jitter_factor: Jitter of these kernels in units of the jitter of a fit. The kernels of neighbouring points are nearly
            equal. A factor of ten reduces the cancellation of terms to one third, with equal test errors for Cu, Mo and Si.
    """

    jitter_factor = 10.0

    points: Tensor
    theta: Tensor
    delta: Tensor
    point_weight: Tensor

    def _register_points(self, points: Tensor) -> None:
        """Register the buffers, with weights, length scales and δ of 1."""
        n_coordinates = 1 if points.ndim == 1 else points.shape[1]
        self.register_buffer("points", points)
        self.register_buffer("theta", torch.ones(n_coordinates))
        self.register_buffer("delta", torch.ones(1))
        self.register_buffer("point_weight", torch.ones(len(points)))

    @torch.no_grad()
    def select_points(self, indices: Tensor) -> None:
        """Set the weights of all points to zero except those with these indices, (n_selected,)."""
        weight = torch.zeros_like(self.point_weight)
        weight[indices] = self.point_weight[indices]
        self.point_weight.copy_(weight)

    leave_out = OldAttribute("select_points")


def element_rows(elements: Sequence[str], symbols: Sequence[str], n: int, name: str) -> list[int]:
    """Return the rows of elements that are given by their symbols.

    Args:
        elements: Chemical symbols of the model.
        symbols: Chemical symbols of the argument.
        n: Expected number of symbols.
        name: Name of the argument, for the error message.

    Raises:
        WiringError: If the number of symbols is wrong, or a symbol is unknown.
    """
    if isinstance(symbols, str) or len(symbols) != n or not set(symbols) <= set(elements):
        raise WiringError(f"{name} should contain {n} symbols from {', '.join(elements)}, but is {symbols!r}")
    return [list(elements).index(symbol) for symbol in symbols]


def inner_radius(cutoff: float, envelope_width: float) -> float:
    """Return the radius at which the cutoff function starts to decrease, Å.

    Args:
        cutoff: Cutoff radius, Å.
        envelope_width: Width of the range in which the cutoff function decreases, Å.

    Raises:
        WiringError: Unless 0 < envelope_width ≤ cutoff.
    """
    if not 0 < envelope_width <= cutoff < float("inf"):
        raise WiringError(
            f"envelope_width should be above 0 and at most the cutoff of {cutoff} Å, but is {envelope_width} Å"
        )
    return float(cutoff - envelope_width)


def evenly_spaced(start: float, end: float, n: int) -> Tensor:
    """Return numbers from ``start`` to ``end``, (n,), rounded to float32 so that they are equal in every default dtype."""
    return torch.linspace(start, end, n, dtype=torch.float64).float().to(torch.get_default_dtype())


__getattr__ = old_names_of(__name__)
