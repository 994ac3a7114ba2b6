"""Cutoff envelopes: functions of the distance that decrease to 0 at the cutoff, from 1 (``tanh_cubed``: 0.44) at r = 0.

The distance is clamped to the range of the function. Value and first two derivatives are therefore finite at every distance,
and zero beyond the cutoff. (``torch.where`` around a singular branch would give NaN gradients.)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from atomgraph.errors import WiringError

_MAX_FRACTION = 1.0 - 5e-4  # for larger x, exp(1 − 1/(1 − x²)) and its derivatives are 0 in float64
_TANH_CUBED_AT_ZERO = math.tanh(1.0) ** 3


def cosine_cutoff(length: Tensor, cutoff: float, inner: float = 0.0) -> Tensor:
    r"""Cosine cutoff: :math:`f(r) = \tfrac12 (1 + \cos \pi x)`, :math:`x = (r - r_{in}) / (r_c - r_{in})`, and 1 below r_in.

    The second derivative jumps at the cutoff.

    Args:
        length: Distances, (n_edges,), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        inner: Radius :math:`r_{in}` at which the function starts to decrease, Å.

    Returns:
        Values in [0, 1], (n_edges,).

    Raises:
        WiringError: Unless 0 ≤ inner < cutoff.

    Source: Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
    """
    return 0.5 * (1.0 + torch.cos(math.pi * _fraction(length, cutoff, inner)))


def polynomial_cutoff(length: Tensor, cutoff: float, p: float = 6) -> Tensor:
    r"""Polynomial with two vanishing derivatives at the cutoff, the envelope of DimeNet, NequIP and MACE.

    .. math:: f_p(u) = 1 - \tfrac{(p+1)(p+2)}2 u^p + p(p+2)\, u^{p+1} - \tfrac{p(p+1)}2 u^{p+2}, \quad u = r / r_c

    Args:
        length: Distances, (n_edges,), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        p: Exponent, at least 2, no unit; the larger p, the larger the distance at which the envelope decreases.

    Returns:
        Values in [0, 1], (n_edges,).

    Raises:
        WiringError: If the cutoff is not positive or p < 2.

    Source: Gasteiger, Groß and Günnemann, ICLR 2020 (DimeNet).
    """
    if not p >= 2:
        raise WiringError(f"the polynomial cutoff needs p of at least 2, but p is {p}")
    u = _fraction(length, cutoff, 0.0)
    tail = 0.5 * (p + 1) * (p + 2) - u * (p * (p + 2) - u * (0.5 * p * (p + 1)))
    return 1.0 - u**p * tail


def tanh_cubed_cutoff(length: Tensor, cutoff: float, *, normalised: bool = False) -> Tensor:
    r""":math:`f(r) = \tanh^3(1 - r/r_c)`, with two vanishing derivatives at the cutoff; f(0) = 0.4417.

    Args:
        length: Distances, (n_edges,), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        normalised: Divide by :math:`\tanh^3 1`, so that f(0) = 1.

    Returns:
        Values in [0, 1], (n_edges,).

    Raises:
        WiringError: If the cutoff is not positive.

    Source: Behler, J. Chem. Phys. 134, 074106 (2011).
    """
    tanh = torch.tanh(1.0 - _fraction(length, cutoff, 0.0))
    cubed = tanh * tanh * tanh
    return cubed / _TANH_CUBED_AT_ZERO if normalised else cubed


def exponential_cutoff(length: Tensor, cutoff: float, inner: float = 0.0) -> Tensor:
    r"""Exponential cutoff: :math:`f(r) = \exp(1 - 1/(1 - x^2))`, :math:`x = (r - r_{in}) / (r_c - r_{in})`, and 1 below r_in.

    All derivatives are continuous at the cutoff.

    Args:
        length: Distances, (n_edges,), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        inner: Radius :math:`r_{in}` at which the function starts to decrease, Å.

    Returns:
        Values in [0, 1], (n_edges,).

    Raises:
        WiringError: Unless 0 ≤ inner < cutoff.

    Source: n2p2, ``CutoffFunction::CT_EXP``.
    """
    x = _fraction(length, cutoff, inner).clamp(max=_MAX_FRACTION)
    return torch.exp(1.0 - 1.0 / (1.0 - x * x))


def smoothstep_cutoff(length: Tensor, cutoff: float, order: int = 2, inner: float = 0.0) -> Tensor:
    r"""Polynomial of lowest degree from 1 to 0 with ``order`` vanishing derivatives at both ends.

    .. math:: 1 - 3x^2 + 2x^3;\quad 1 - 10x^3 + 15x^4 - 6x^5;\quad 1 - 35x^4 + 84x^5 - 70x^6 + 20x^7;\quad
              1 - 126x^5 + 420x^6 - 540x^7 + 315x^8 - 70x^9

    with :math:`x = (r - r_{in}) / (r_c - r_{in})`.

    Args:
        length: Distances, (n_edges,), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        order: Number of vanishing derivatives: 1, 2, 3 or 4.
        inner: Radius :math:`r_{in}` at which the function starts to decrease, Å.

    Returns:
        Values in [0, 1], (n_edges,).

    Raises:
        WiringError: If the order is not 1, 2, 3 or 4, or unless 0 ≤ inner < cutoff.

    Source: n2p2, ``CutoffFunction::CT_POLY1`` to ``4``.
    """
    x = _fraction(length, cutoff, inner)
    if order == 1:
        return 1.0 - x**2 * (3.0 - 2.0 * x)
    if order == 2:
        return 1.0 - x**3 * (10.0 - x * (15.0 - 6.0 * x))
    if order == 3:
        return 1.0 - x**4 * (35.0 - x * (84.0 - x * (70.0 - 20.0 * x)))
    if order == 4:
        return 1.0 - x**5 * (126.0 - x * (420.0 - x * (540.0 - x * (315.0 - 70.0 * x))))
    raise WiringError(f"the smoothstep cutoff has the orders 1, 2, 3 and 4, but {order!r} was given")


def xplor_cutoff(length: Tensor, cutoff: float, inner: float = 0.0) -> Tensor:
    r"""XPLOR's switching function, which is 1 below :math:`r_{in}` and 0 beyond the cutoff.

    .. math:: f(r) = \frac{(r_c^2 - r^2)^2\, (r_c^2 + 2 r^2 - 3 r_{in}^2)}{(r_c^2 - r_{in}^2)^3}
              \quad\text{for}\quad r_{in} \le r \le r_c

    The second derivative jumps at both radii.

    Args:
        length: Distances, (n_edges,), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        inner: Radius :math:`r_{in}` at which the function starts to decrease, Å.

    Returns:
        Values in [0, 1], (n_edges,).

    Raises:
        WiringError: Unless 0 ≤ inner < cutoff.

    Source: HOOMD-blue, ``pair`` potentials with ``mode="xplor"``; used by SevenNet.
    """
    radius = inner + (cutoff - inner) * _fraction(length, cutoff, inner)  # the distance, clamped to [inner, cutoff]
    square, outer_square, inner_square = radius.square(), cutoff * cutoff, inner * inner
    numerator = (outer_square - square).square() * (outer_square + 2.0 * square - 3.0 * inner_square)
    return numerator / (outer_square - inner_square) ** 3


def n2p2_cutoff(kind: int, length: Tensor, cutoff: float, inner: float = 0.0) -> Tensor:
    r"""Cutoff function of n2p2, by its number (``cutoff_type KIND ALPHA``, inner = ALPHA · cutoff).

    The tanh³ functions ignore ``inner``. The hard cutoff is a step, so energies and forces jump at the cutoff.

    Args:
        kind: 0 hard, 1 cosine, 2 tanh³, 3 normalised tanh³, 4 exponential, 5 to 8 polynomial of order 1 to 4.
        length: Distances, (n_edges,), Å.
        cutoff: Cutoff radius, Å.
        inner: Radius at which the function starts to decrease, Å.

    Returns:
        Values in [0, 1], (n_edges,).

    Raises:
        WiringError: If n2p2 has no cutoff function of this number.

    Source: n2p2, ``CutoffFunction``.
    """
    if kind == 0:
        return (length < cutoff).to(length.dtype)
    if kind == 1:
        return cosine_cutoff(length, cutoff, inner)
    if kind in (2, 3):
        return tanh_cubed_cutoff(length, cutoff, normalised=kind == 3)
    if kind == 4:
        return exponential_cutoff(length, cutoff, inner)
    if kind in (5, 6, 7, 8):
        return smoothstep_cutoff(length, cutoff, kind - 4, inner)
    raise WiringError(f"n2p2 numbers its cutoff functions 0 to 8, but {kind!r} was given")


ENVELOPES: dict[str, Callable[[Tensor, float], Tensor]] = {  # name in configurations: (length, cutoff) -> (n_edges,)
    "polynomial": polynomial_cutoff,
    "cosine": cosine_cutoff,
    "tanh_cubed": tanh_cubed_cutoff,
    "exponential": exponential_cutoff,
    "xplor": xplor_cutoff,
}
# (length, cutoff, inner) -> (n_edges,)
ENVELOPES_WITH_INNER_RADIUS: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "cosine": cosine_cutoff,
    "exponential": exponential_cutoff,
    "xplor": xplor_cutoff,
}


def _fraction(length: Tensor, cutoff: float, inner: float) -> Tensor:
    """Return (r − inner) / (cutoff − inner), clamped to [0, 1]."""
    if not cutoff > 0:
        raise WiringError(f"cutoff must be positive, in Å, but is {cutoff}")
    if not 0 <= inner < cutoff:
        raise WiringError(
            f"the inner radius, up to which the function is 1, must be at least 0 and below the cutoff of {cutoff} Å, "
            f"but is {inner} Å"
        )
    if inner == 0.0:
        return (length / cutoff).clamp(max=1.0)
    return ((length - inner) / (cutoff - inner)).clamp(0.0, 1.0)
