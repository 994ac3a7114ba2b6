"""Radial bases: how a distance becomes n_radial numbers.

``BASES`` are functions of the distance and the cutoff, without the envelope, which is in ``cutoff.py``. ``ACE_RADIALS`` are
those of the atomic cluster expansion as pacemaker has them, and ``Bessel`` and ``Legendre``. They are zero from the cutoff
on, and those with a width end smoothly (``ChebLinear`` does not, as in pacemaker). All have two derivatives in their range.

Sources: Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021); Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022);
Kocer, Mason and Erturk, AIP Adv. 10, 015021 (2020) for the simplified Bessel functions; the program python-ace.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest


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


@dataclass(frozen=True)
class Shape:
    """What a radial basis needs beside r: cutoff in Å, width (of the fade before the cutoff) in Å, exponent λ."""

    cutoff: float
    width: float = 1.0
    exponent: float = 1.0


def ace_radial(name: str, length: Tensor, n_radial: int, shape: Shape) -> Tensor:
    """(n_edges, n_radial): the radial basis of that name, zero from the cutoff on.

    Args:
        name: A key of ``ACE_RADIALS``.
        length: (n_edges,) in Å, positive.
        n_radial: Number of functions.

    Raises:
        WiringError: For an unknown name, or numbers that make no basis.
    """
    if name not in ACE_RADIALS:
        raise WiringError(f"unknown radial basis {name!r}{nearest(name, ACE_RADIALS)}")
    if n_radial < 1 or not (shape.cutoff > 0 and 0 <= shape.width <= shape.cutoff and shape.exponent > 0):
        raise WiringError(
            f"a radial basis needs functions, a cutoff, a width of at most the cutoff (both in Å) and a positive exponent, "
            f"but was given {n_radial} functions, {shape.cutoff} Å, {shape.width} Å and {shape.exponent}"
        )
    inside = length < shape.cutoff
    safe = torch.where(inside, length, 0.5 * shape.cutoff)
    return torch.where(inside[:, None], ACE_RADIALS[name](safe, n_radial, shape), 0.0)


def cosine_fade(length: Tensor, cutoff: float, width: float) -> Tensor:
    r"""1, then :math:`\tfrac12(1 + \cos\pi x)`, :math:`x = (r - r_c + d) / d`, then 0.

    Args:
        length: (n,).
        cutoff, width: d, Å.
    """
    return 0.5 * (1.0 + torch.cos(math.pi * _fraction(length, cutoff, width)))


def polynomial_fade(length: Tensor, cutoff: float, width: float) -> Tensor:
    r"""1, then :math:`1 - x^3(10 - 15x + 6x^2)`, :math:`x = (r - r_c + d) / d`, then 0.

    The same polynomial ends the core repulsion at the inner cutoff, and takes the basis in there.

    Args:
        length: (n,).
        cutoff, width: d, Å.
    """
    x = _fraction(length, cutoff, width)
    return 1.0 - x * x * x * (10.0 - x * (15.0 - 6.0 * x))


def _chebyshev_exp_cos(r: Tensor, n: int, shape: Shape) -> Tensor:
    r""":math:`g_1 = f`, :math:`g_k = \tfrac12(1 - T_{k-1}(x))f`, :math:`f = \tfrac12(1 + \cos\pi r/r_c)`.

    :math:`x = 1 - 2\,(e^{-\lambda r/r_c} - e^{-\lambda}) / (1 - e^{-\lambda})`; times the cosine fade of ``width``.
    """
    last = math.exp(-shape.exponent)
    x = 1.0 - 2.0 * (torch.exp(r * (-shape.exponent / shape.cutoff)) - last) / (1.0 - last)
    terms = [torch.ones_like(x), *(0.5 - 0.5 * t for t in _chebyshev(x, n)[1:])]
    envelope = 0.5 * (1.0 + torch.cos(r * (math.pi / shape.cutoff)))
    return torch.stack(terms[:n], dim=1) * (envelope * cosine_fade(r, shape.cutoff, shape.width))[:, None]


def _chebyshev_power(r: Tensor, n: int, shape: Shape) -> Tensor:
    r""":math:`g_k = \tfrac12(1 - T_k(x))`, :math:`x = 1 - 2(1 - r/r_c)^\lambda`, which ends smoothly by itself for λ > 1."""
    x = 1.0 - 2.0 * (1.0 - r / shape.cutoff) ** shape.exponent
    return torch.stack([0.5 - 0.5 * t for t in _chebyshev(x, n + 1)[1:]], dim=1)


def _chebyshev_linear(r: Tensor, n: int, shape: Shape) -> Tensor:
    r""":math:`g_k = \tfrac12(1 - T_k(1 - r/r_c))`, which ends in a step."""
    return torch.stack([0.5 - 0.5 * t for t in _chebyshev(1.0 - r / shape.cutoff, n + 1)[1:]], dim=1)


def _simplified_bessel(r: Tensor, n: int, shape: Shape) -> Tensor:
    r"""Sums of two neighbouring :math:`\mathrm{sinc}(k\pi r/r_c)` that end with two flat derivatives, orthonormal."""
    result: list[Tensor] = []
    before = 1.0
    for k in range(n):
        a, b = k + 1, k + 2
        size = (-1) ** k * math.sqrt(2.0) * math.pi / shape.cutoff**1.5 * a * b / math.sqrt(a * a + b * b)
        wave = size * (torch.sinc(r * (a / shape.cutoff)) + torch.sinc(r * (b / shape.cutoff)))
        if k:
            e = k**2 * (k + 2) ** 2 / (4.0 * (k + 1) ** 4 + 1.0)
            d = 1.0 - e / before
            wave = (wave + math.sqrt(e / before) * result[-1]) / math.sqrt(d)
            before = d
        result.append(wave)
    return torch.stack(result, dim=1)


def _bessel(r: Tensor, n: int, shape: Shape) -> Tensor:
    """Standing waves (``ops.radial_basis.bessel``) times the polynomial fade."""
    return bessel(r, n, shape.cutoff) * polynomial_fade(r, shape.cutoff, shape.width)[:, None]


def _legendre(r: Tensor, n: int, shape: Shape) -> Tensor:
    r""":math:`\sqrt{2k-1}\,P_{k-1}(1 - 2r/r_c)` times the polynomial fade."""
    x = 1.0 - 2.0 * r / shape.cutoff
    terms = [torch.ones_like(x), x]
    for k in range(1, n):
        terms.append(((2 * k + 1) * x * terms[k] - k * terms[k - 1]) / (k + 1))
    scaled = [math.sqrt(2 * k + 1) * terms[k] for k in range(n)]
    return torch.stack(scaled, dim=1) * polynomial_fade(r, shape.cutoff, shape.width)[:, None]


ACE_RADIALS: dict[str, Callable[[Tensor, int, Shape], Tensor]] = {
    "ChebExpCos": _chebyshev_exp_cos,
    "ChebPow": _chebyshev_power,
    "ChebLinear": _chebyshev_linear,
    "SBessel": _simplified_bessel,
    "Bessel": _bessel,
    "Legendre": _legendre,
}


def _chebyshev(x: Tensor, n: int) -> list[Tensor]:
    """T_0 … T_(n−1), at least two of them."""
    terms = [torch.ones_like(x), x]
    while len(terms) < n:
        terms.append(2.0 * x * terms[-1] - terms[-2])
    return terms


def _fraction(length: Tensor, cutoff: float, width: float) -> Tensor:
    """How far into the fade, between 0 and 1; a width of 0 is a step at the cutoff."""
    if width == 0.0:
        return (length >= cutoff).to(length.dtype)
    return ((length - (cutoff - width)) / width).clamp(0.0, 1.0)


def _check(n_radial: int, cutoff: float, start: float = 0.0) -> None:
    if not cutoff > 0:
        raise WiringError(f"cutoff must be positive, in Å, but is {cutoff}")
    if n_radial < 1:
        raise WiringError(f"n_radial must be at least 1, but is {n_radial}")
    if not start < cutoff:
        raise WiringError(f"the radial functions must start before the cutoff of {cutoff} Å, but start at {start} Å")
