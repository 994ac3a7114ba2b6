"""Embedding functions F(ρ) of the atomic cluster expansion: odd functions, close to a power of the density."""

from __future__ import annotations

import torch
from torch import Tensor

_STEEP = 1e6  # w: F is linear below a density of 1/w
_TINY = 1e-10


def finnis_sinclair(rho: Tensor, exponent: Tensor) -> Tensor:
    r""":math:`F = \pm\big[(1 - e^{-(wa)^3})\, a^m + w^{1-m} e^{-(wa)^3} a\big]`, :math:`a = |\rho|`, :math:`w = 10^6`.

    A power that is linear near 0, so that its derivatives are finite there.

    Args:
        rho: ρ, (...,).
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

    At x the derivative of :math:`a^m` is 1, so F is smooth except at 0, where its second derivative jumps. F = ρ for m = 1.

    Args:
        rho: ρ, (...,).
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
    """1 up to end − width, 0 from end on, with two vanishing derivatives at both ends. All arguments are broadcast."""
    x = ((rho - (end - width)) / width).clamp(0.0, 1.0)
    return 1.0 - x * x * x * (10.0 - x * (15.0 - 6.0 * x))


def _sign_and_size(rho: Tensor) -> tuple[Tensor, Tensor]:
    sign = torch.where(rho < 0, -1.0, 1.0).to(rho.dtype)
    return sign, sign * rho
