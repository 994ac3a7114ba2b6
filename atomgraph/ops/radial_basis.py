"""Radial bases: n_radial functions of a distance.

``BASES`` lists functions of the distance and the cutoff, without an envelope; envelopes are in ``cutoff.py``.
``ACE_RADIALS`` lists pacemaker's radial functions of the atomic cluster expansion, and the additions ``Bessel`` and
``Legendre``. They are zero from the cutoff on. ``ChebExpCos``, ``Bessel`` and ``Legendre`` are switched off over a width;
``SBessel`` and ``ChebPow`` ignore the width and vanish by themselves; ``ChebLinear`` jumps, as in pacemaker.
All functions have two derivatives below the cutoff.

Sources: Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021); Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022);
Kocer, Mason and Erturk, AIP Adv. 10, 015021 (2020) for the simplified Bessel functions; the program python-ace.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.errors import WiringError, check_name
from atomgraph.old_names import old_names_of


def bessel(length: Tensor, n_radial: int, cutoff: float) -> Tensor:
    r"""Bessel functions, the standing waves in a sphere: :math:`R_n(r) = \sqrt{2/r_c}\, \sin(n \pi r / r_c) / r`, n ≥ 1.

    The functions are orthonormal in the scalar product :math:`\int_0^{r_c} R_n R_m r^2 dr`, and zero at the cutoff.

    Args:
        length: Distances, (n_edges,), positive, Å.
        n_radial: Number of functions.
        cutoff: Cutoff radius :math:`r_c`, Å.

    Returns:
        Values, (n_edges, n_radial), Å^(−3/2).

    Raises:
        WiringError: If the cutoff or n_radial is not positive.

    Source: Gasteiger, Groß and Günnemann, ICLR 2020 (DimeNet).
    """
    _check_range(n_radial, cutoff)
    frequency = torch.arange(1, n_radial + 1, dtype=length.dtype, device=length.device) * (math.pi / cutoff)
    return torch.sin(length[:, None] * frequency) * (math.sqrt(2.0 / cutoff) / length)[:, None]


def gaussian(length: Tensor, n_radial: int, cutoff: float, *, start: float = 0.0, width: float | None = None) -> Tensor:
    r"""Gaussians :math:`R_n(r) = \exp(-(r - r_n)^2 / 2w^2)` with centres :math:`r_n` at equal distances.

    Args:
        length: Distances, (n_edges,), Å.
        n_radial: Number of functions.
        cutoff: Centre of the last Gaussian, Å.
        start: Centre of the first Gaussian, Å.
        width: Standard deviation w, Å; None: the distance between two centres.

    Returns:
        Values, (n_edges, n_radial), no unit.

    Raises:
        WiringError: If n_radial, cutoff or width is not positive, or start ≥ cutoff.

    Source: Schütt et al., J. Chem. Phys. 148, 241722 (2018) (SchNet).
    """
    _check_range(n_radial, cutoff, start)
    width = (cutoff - start) / max(n_radial - 1, 1) if width is None else width
    if not width > 0:
        raise WiringError(f"the width of the Gaussians must be positive, in Å, but is {width}")
    centre = torch.linspace(start, cutoff, n_radial, dtype=length.dtype, device=length.device)
    return torch.exp((length[:, None] - centre).square() * (-0.5 / width**2))


def chebyshev(length: Tensor, n_radial: int, cutoff: float, *, start: float = 0.0) -> Tensor:
    r"""Chebyshev polynomials of the distance: :math:`R_n(r) = T_n(x)`, n = 0 … n_radial − 1.

    .. math:: x = \frac{2 (r - r_0)}{r_c - r_0} - 1, \qquad T_0 = 1,\; T_1 = x,\; T_{n+1} = 2x\,T_n - T_{n-1}

    The polynomials are computed by recurrence, because cos(n arccos x) has no finite derivative at the ends.

    Args:
        length: Distances, (n_edges,), Å.
        n_radial: Number of functions.
        cutoff: Cutoff radius :math:`r_c`, Å.
        start: Smallest distance :math:`r_0` of the range, Å.

    Returns:
        Values, (n_edges, n_radial), no unit.

    Raises:
        WiringError: If n_radial or cutoff is not positive, or start ≥ cutoff.
    """
    _check_range(n_radial, cutoff, start)
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
class RadialParameters:
    """Parameters of a radial basis of the atomic cluster expansion.

    Attributes:
        cutoff: Cutoff radius, Å.
        width: Width of the switching function before the cutoff, Å.
        exponent: Exponent λ of the scaled distance, no unit.
    """

    cutoff: float
    width: float = 1.0
    exponent: float = 1.0


def ace_radial(name: str, length: Tensor, n_radial: int, parameters: RadialParameters) -> Tensor:
    """Compute a radial basis of the atomic cluster expansion, zero from the cutoff on.

    Args:
        name: Key of ``ACE_RADIALS``.
        length: Distances, (n_edges,), positive, Å.
        n_radial: Number of functions.
        parameters: Cutoff, width and exponent.

    Returns:
        Values, (n_edges, n_radial).

    Raises:
        WiringError: If the name is unknown, or a number is out of range.
    """
    check_name("radial basis", name, ACE_RADIALS)
    if n_radial < 1 or not (
        parameters.cutoff > 0 and 0 <= parameters.width <= parameters.cutoff and parameters.exponent > 0
    ):
        raise WiringError(
            f"a radial basis needs at least one function, cutoff > 0, 0 ≤ width ≤ cutoff (both in Å) and exponent > 0, "
            f"but was given {n_radial} functions, {parameters.cutoff} Å, {parameters.width} Å and {parameters.exponent}"
        )
    inside = length < parameters.cutoff
    safe = torch.where(inside, length, 0.5 * parameters.cutoff)
    return torch.where(inside[:, None], ACE_RADIALS[name](safe, n_radial, parameters), 0.0)


def cosine_fade(length: Tensor, cutoff: float, width: float) -> Tensor:
    r"""Switching function: 1, then :math:`\tfrac12(1 + \cos\pi x)` with :math:`x = (r - r_c + d) / d`, and 0 from r_c on.

    Args:
        length: Distances r, (n,), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        width: Width d of the range in which the function decreases, Å.

    Returns:
        Values in [0, 1], (n,).
    """
    return 0.5 * (1.0 + torch.cos(math.pi * _fraction(length, cutoff, width)))


def polynomial_fade(length: Tensor, cutoff: float, width: float) -> Tensor:
    r"""Switching function: 1, then :math:`1 - x^3(10 - 15x + 6x^2)` with :math:`x = (r - r_c + d) / d`, and 0 from r_c on.

    Models of the atomic cluster expansion also use it with their inner cutoff as :math:`r_c`: there it switches off the core
    repulsion, and 1 minus this function switches on the basis.

    Args:
        length: Distances r, (n,), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        width: Width d of the range in which the function decreases, Å.

    Returns:
        Values in [0, 1], (n,).
    """
    x = _fraction(length, cutoff, width)
    return 1.0 - x * x * x * (10.0 - x * (15.0 - 6.0 * x))


def _chebyshev_exp_cos(r: Tensor, n: int, parameters: RadialParameters) -> Tensor:
    r""":math:`g_1 = f s`, :math:`g_k = \tfrac12(1 - T_{k-1}(x)) f s` for k ≥ 2.

    :math:`f = \tfrac12(1 + \cos\pi r/r_c)`, s is the switching function ``cosine_fade``, and
    :math:`x = 1 - 2\,(e^{-\lambda r/r_c} - e^{-\lambda}) / (1 - e^{-\lambda})`.
    """
    exp_at_cutoff = math.exp(-parameters.exponent)
    x = 1.0 - 2.0 * (torch.exp(r * (-parameters.exponent / parameters.cutoff)) - exp_at_cutoff) / (1.0 - exp_at_cutoff)
    terms = [torch.ones_like(x), *(0.5 - 0.5 * t for t in _chebyshev(x, n)[1:])]
    envelope = 0.5 * (1.0 + torch.cos(r * (math.pi / parameters.cutoff)))
    return torch.stack(terms[:n], dim=1) * (envelope * cosine_fade(r, parameters.cutoff, parameters.width))[:, None]


def _chebyshev_power(r: Tensor, n: int, parameters: RadialParameters) -> Tensor:
    r""":math:`g_k = \tfrac12(1 - T_k(x))`, :math:`x = 1 - 2(1 - r/r_c)^\lambda`, smooth at the cutoff for λ > 1."""
    x = 1.0 - 2.0 * (1.0 - r / parameters.cutoff) ** parameters.exponent
    return torch.stack([0.5 - 0.5 * t for t in _chebyshev(x, n + 1)[1:]], dim=1)


def _chebyshev_linear(r: Tensor, n: int, parameters: RadialParameters) -> Tensor:
    r""":math:`g_k = \tfrac12(1 - T_k(1 - r/r_c))`, with a step at the cutoff."""
    return torch.stack([0.5 - 0.5 * t for t in _chebyshev(1.0 - r / parameters.cutoff, n + 1)[1:]], dim=1)


def _simplified_bessel(r: Tensor, n: int, parameters: RadialParameters) -> Tensor:
    r"""Orthonormal functions, from sums of :math:`\mathrm{sinc}(k\pi r/r_c)` and :math:`\mathrm{sinc}((k + 1)\pi r/r_c)`.

    The value and two derivatives vanish at the cutoff.
    """
    result: list[Tensor] = []
    previous_d = 1.0
    for k in range(n):
        a, b = k + 1, k + 2
        amplitude = (-1) ** k * math.sqrt(2.0) * math.pi / parameters.cutoff**1.5 * a * b / math.sqrt(a * a + b * b)
        wave = amplitude * (torch.sinc(r * (a / parameters.cutoff)) + torch.sinc(r * (b / parameters.cutoff)))
        if k:
            e = k**2 * (k + 2) ** 2 / (4.0 * (k + 1) ** 4 + 1.0)
            d = 1.0 - e / previous_d
            wave = (wave + math.sqrt(e / previous_d) * result[-1]) / math.sqrt(d)
            previous_d = d
        result.append(wave)
    return torch.stack(result, dim=1)


def _bessel(r: Tensor, n: int, parameters: RadialParameters) -> Tensor:
    """Standing waves (``bessel``) times ``polynomial_fade``."""
    return bessel(r, n, parameters.cutoff) * polynomial_fade(r, parameters.cutoff, parameters.width)[:, None]


def _legendre(r: Tensor, n: int, parameters: RadialParameters) -> Tensor:
    r""":math:`\sqrt{2k-1}\,P_{k-1}(1 - 2r/r_c)` times ``polynomial_fade``."""
    x = 1.0 - 2.0 * r / parameters.cutoff
    terms = [torch.ones_like(x), x]
    for k in range(1, n):
        terms.append(((2 * k + 1) * x * terms[k] - k * terms[k - 1]) / (k + 1))
    scaled = [math.sqrt(2 * k + 1) * terms[k] for k in range(n)]
    return torch.stack(scaled, dim=1) * polynomial_fade(r, parameters.cutoff, parameters.width)[:, None]


ACE_RADIALS: dict[str, Callable[[Tensor, int, RadialParameters], Tensor]] = {
    "ChebExpCos": _chebyshev_exp_cos,
    "ChebPow": _chebyshev_power,
    "ChebLinear": _chebyshev_linear,
    "SBessel": _simplified_bessel,
    "Bessel": _bessel,
    "Legendre": _legendre,
}


def _chebyshev(x: Tensor, n: int) -> list[Tensor]:
    """Chebyshev polynomials T_0 … T_(n−1), but at least two."""
    terms = [torch.ones_like(x), x]
    while len(terms) < n:
        terms.append(2.0 * x * terms[-1] - terms[-2])
    return terms


def _fraction(length: Tensor, cutoff: float, width: float) -> Tensor:
    """Return (r − cutoff + width) / width, clamped to [0, 1]; a width of 0 gives a step at the cutoff."""
    if width == 0.0:
        return (length >= cutoff).to(length.dtype)
    return ((length - (cutoff - width)) / width).clamp(0.0, 1.0)


def _check_range(n_radial: int, cutoff: float, start: float = 0.0) -> None:
    if not cutoff > 0:
        raise WiringError(f"cutoff must be positive, in Å, but is {cutoff}")
    if n_radial < 1:
        raise WiringError(f"n_radial must be at least 1, but is {n_radial}")
    if not start < cutoff:
        raise WiringError(f"the radial functions must start before the cutoff of {cutoff} Å, but start at {start} Å")


__getattr__ = old_names_of(__name__)
