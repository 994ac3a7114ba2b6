"""Radial functions R_n(r): how a distance becomes n_radial numbers. The envelope that ends them is in ``cutoff.py``."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from atomgraph.errors import WiringError


def bessel(length: Tensor, n_radial: int, cutoff: float) -> Tensor:
    r"""Standing waves in a sphere: :math:`R_n(r) = \sqrt{2/r_c}\, \sin(n \pi r / r_c) / r`, n = 1 … n_radial.

    Orthonormal under :math:`\int_0^{r_c} R_n R_m r^2 dr`, and zero at the cutoff.

    Args:
        length: (n_edges,) in Å, positive.
        cutoff: Å.

    Returns:
        (n_edges, n_radial) in Å^(−3/2).

    Raises:
        WiringError: For a cutoff or n_radial that is not positive.

    Source: Gasteiger, Groß and Günnemann, ICLR 2020 (DimeNet).
    """
    _check(n_radial, cutoff)
    frequency = torch.arange(1, n_radial + 1, dtype=length.dtype, device=length.device) * (math.pi / cutoff)
    return torch.sin(length[:, None] * frequency) * (math.sqrt(2.0 / cutoff) / length)[:, None]


def gaussian(length: Tensor, n_radial: int, cutoff: float, *, start: float = 0.0, width: float | None = None) -> Tensor:
    r"""Bells side by side: :math:`R_n(r) = \exp(-(r - r_n)^2 / 2w^2)`, :math:`r_n` evenly from ``start`` to the cutoff.

    Args:
        length: (n_edges,) in Å.
        cutoff, start: Å.
        width: W in Å, by default the distance between two centres.

    Returns:
        (n_edges, n_radial).

    Raises:
        WiringError: For n_radial, cutoff or width that are not positive, or start ≥ cutoff.

    Source: Schütt et al., J. Chem. Phys. 148, 241722 (2018) (SchNet).
    """
    _check(n_radial, cutoff, start)
    width = (cutoff - start) / max(n_radial - 1, 1) if width is None else width
    if not width > 0:
        raise WiringError(f"the width of the Gaussians must be positive, in Å, but is {width}")
    centre = torch.linspace(start, cutoff, n_radial, dtype=length.dtype, device=length.device)
    return torch.exp((length[:, None] - centre).square() * (-0.5 / width**2))


def chebyshev(length: Tensor, n_radial: int, cutoff: float, *, start: float = 0.0) -> Tensor:
    r"""Chebyshev polynomials of the distance: :math:`R_n(r) = T_n(x)`, n = 0 … n_radial − 1.

    .. math:: x = \frac{2 (r - r_0)}{r_c - r_0} - 1, \qquad T_0 = 1,\; T_1 = x,\; T_{n+1} = 2x\,T_n - T_{n-1}

    By recurrence, since cos(n arccos x) has no finite derivative at the ends.

    Args:
        length: (n_edges,) in Å.
        cutoff, start: :math:`r_c, r_0` in Å.

    Returns:
        (n_edges, n_radial).

    Raises:
        WiringError: For n_radial or cutoff that are not positive, or start ≥ cutoff.
    """
    _check(n_radial, cutoff, start)
    x = (length - start) * (2.0 / (cutoff - start)) - 1.0
    terms = [torch.ones_like(x), x]
    while len(terms) < n_radial:
        terms.append(2.0 * x * terms[-1] - terms[-2])
    return torch.stack(terms[:n_radial], dim=1)


BASES: dict[str, Callable[[Tensor, int, float], Tensor]] = {  # (length, n_radial, cutoff) -> (n_edges, n_radial)
    "bessel": bessel,
    "gaussian": gaussian,
    "chebyshev": chebyshev,
}


def _check(n_radial: int, cutoff: float, start: float = 0.0) -> None:
    if not cutoff > 0:
        raise WiringError(f"cutoff must be positive, in Å, but is {cutoff}")
    if n_radial < 1:
        raise WiringError(f"n_radial must be at least 1, but is {n_radial}")
    if not start < cutoff:
        raise WiringError(f"the radial functions must start before the cutoff of {cutoff} Å, but start at {start} Å")
