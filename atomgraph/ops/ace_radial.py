"""Radial functions g_k(r) of the atomic cluster expansion, as pacemaker has them, and two more.

All are written out, not tabulated, and are differentiable twice inside their range. From the cutoff on all are zero;
those with a cutoff of their own come there smoothly (``ChebLinear`` does not, which is how pacemaker has it).
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
from atomgraph.ops.radial import bessel

_FARTHEST_GAUSSIAN = 50.0  # python-ace drops the core repulsion from λr² = 50 on
_COULOMB = 14.399645351950543  # e²/4πε0 in eV·Å
_SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))  # coefficient, exponent


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


def core_repulsion(length: Tensor, prefactor: float, exponent: float, cutoff: float) -> Tensor:
    r""":math:`\frac{|A|}{r} e^{-|\lambda| r^2}\, \tfrac12(1 + \cos\pi r/r_c)` in eV, 0 from the cutoff on.

    Args:
        length: (n,) in Å.
        prefactor: A, eV·Å.
        exponent: λ, 1/Å².
        cutoff: Å.

    Returns:
        (n,).
    """
    square = abs(exponent) * length * length
    felt = (length < cutoff) & (square < _FARTHEST_GAUSSIAN)
    value = abs(prefactor) * torch.exp(-square) / length * 0.5 * (1.0 + torch.cos(length * (math.pi / cutoff)))
    return torch.where(felt, value, 0.0)


def screened_coulomb(length: Tensor, numbers: tuple[int, int], prefactor: float, cutoff: float, width: float) -> Tensor:
    r""":math:`A\, \tfrac12 K Z_1 Z_2\, [\phi(r/a)/r + S(r)]`: ZBL's repulsion, switched off as in LAMMPS, and faded.

    S makes the value and its first two derivatives 0 at the cutoff, and is constant up to cutoff − width. The polynomial
    switch is applied in addition.

    Args:
        length: (n,) in Å.
        numbers: Z of the two elements.
        prefactor: A, no unit.
        cutoff, width: Å.

    Returns:
        (n,) in eV.

    Source: LAMMPS, ``pair_style zbl``, and the program python-ace.
    """
    a = 0.46850 / (numbers[0] ** 0.23 + numbers[1] ** 0.23)
    at_end = [c * math.exp(-e * cutoff / a) for c, e in _SCREENING]
    phi, dphi, ddphi = (sum(t * (-e / a) ** k for t, (_, e) in zip(at_end, _SCREENING, strict=True)) for k in range(3))
    value = phi / cutoff
    first = dphi / cutoff - phi / cutoff**2
    second = ddphi / cutoff - 2 * dphi / cutoff**2 + 2 * phi / cutoff**3
    cubic, quartic = (width * second - 3 * first) / width**2, (2 * first - width * second) / width**3
    into = (length - (cutoff - width)).clamp(min=0.0)
    switch = into**3 * (cubic / 3 + into * (quartic / 4)) - value + 0.5 * width * first - width**2 * second / 12
    bare = torch.stack([c * torch.exp(length * (-e / a)) for c, e in _SCREENING]).sum(dim=0) / length
    whole = (0.5 * prefactor * _COULOMB * numbers[0] * numbers[1]) * (bare + switch)
    return torch.where(length < cutoff, whole * polynomial_fade(length, cutoff, width), 0.0)


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
    """Standing waves (``ops.radial.bessel``) times the polynomial fade."""
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
