"""Embedding functions F(ρ) of the atomic cluster expansion: odd, and nearly a power of the density."""

from __future__ import annotations

import torch
from torch import Tensor

_STEEP = 1e6  # where the power takes over from the straight line, 1/w
_TINY = 1e-10


def finnis_sinclair(rho: Tensor, exponent: Tensor) -> Tensor:
    r""":math:`F = \pm\big[(1 - e^{-(wa)^3})\, a^m + w^{1-m} e^{-(wa)^3} a\big]`, :math:`a = |\rho|`, :math:`w = 10^6`.

    A power that is a straight line at 0, so that it has slopes there.

    Args:
        rho: (...,).
        exponent: m, positive, broadcast against rho.

    Returns:
        (...,).

    Source: Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021), and the program python-ace.
    """
    sign, a = _sign_and_size(rho)
    line = _STEEP ** (1.0 - exponent)
    nothing = a <= _TINY
    safe = torch.where(nothing, 1.0, a)
    cubed = (_STEEP * safe).clamp(max=4.0) ** 3
    gauss = torch.where(cubed > 30.0, 0.0, torch.exp(-cubed))
    return torch.where(nothing, line * rho, sign * ((1.0 - gauss) * safe**exponent + line * gauss * safe))


def finnis_sinclair_shifted_scaled(rho: Tensor, exponent: Tensor) -> Tensor:
    r""":math:`F = \pm\big[(x e^{-a} + a)^m - y e^{-a}\big]`, :math:`a = |\rho|`, :math:`y = x^m`, :math:`x = m^{-1/(m-1)}`.

    x is where :math:`a^m` has slope 1, so that F is smooth but at 0, where its curvature changes sign; for m = 1 it is ρ.

    Args:
        rho: (...,).
        exponent: m, positive, broadcast against rho.

    Returns:
        (...,).

    Source: Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022), and the program python-ace.
    """
    sign, a = _sign_and_size(rho)
    straight = (exponent - 1.0).abs() < _TINY
    m = torch.where(straight, 0.5, exponent)
    fall = torch.exp(-a)
    x = m ** (-1.0 / (m - 1.0))
    bent = sign * ((x * fall + a) ** m - x**m * fall)
    return torch.where(straight, rho, bent)


EMBEDDINGS = {
    "FinnisSinclair": finnis_sinclair,
    "FinnisSinclairShiftedScaled": finnis_sinclair_shifted_scaled,
}


def polynomial_switch(rho: Tensor, end: Tensor, width: Tensor) -> Tensor:
    """1 up to end − width, 0 from end on, with two flat derivatives at either end; all broadcast against one another."""
    x = ((rho - (end - width)) / width).clamp(0.0, 1.0)
    return 1.0 - x * x * x * (10.0 - x * (15.0 - 6.0 * x))


def _sign_and_size(rho: Tensor) -> tuple[Tensor, Tensor]:
    sign = torch.where(rho < 0, -1.0, 1.0).to(rho.dtype)
    return sign, sign * rho
