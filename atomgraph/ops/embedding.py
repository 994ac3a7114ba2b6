"""Embedding functions F(ρ) of the atomic cluster expansion: odd functions, close to a power of the density ρ."""

from __future__ import annotations

import torch
from torch import Tensor

_INVERSE_LINEAR_RANGE = 1e6  # w: F is linear for densities below 1/w
_NEGLIGIBLE = 1e-10  # smaller |ρ| count as 0, and smaller |m − 1| as m = 1


def finnis_sinclair(rho: Tensor, exponent: Tensor) -> Tensor:
    r"""Power of the density that is linear near 0, so that the derivatives are finite at 0.

    .. math:: F = \pm\big[(1 - e^{-(wa)^3})\, a^m + w^{1-m} e^{-(wa)^3} a\big], \quad a = |\rho|, \; w = 10^6

    The sign is the sign of ρ.

    Args:
        rho: Densities ρ, (...), no unit.
        exponent: Exponents m, positive, broadcast against ``rho``.

    Returns:
        Values F, (...).

    Source: Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021), and the program python-ace.
    """
    sign, a = _sign_and_modulus(rho)
    linear_factor = _INVERSE_LINEAR_RANGE ** (1.0 - exponent)
    is_zero = a <= _NEGLIGIBLE
    positive_a = torch.where(is_zero, 1.0, a)
    wa_cubed = (_INVERSE_LINEAR_RANGE * positive_a).clamp(max=4.0) ** 3
    decay = torch.where(wa_cubed > 30.0, 0.0, torch.exp(-wa_cubed))
    power = sign * ((1.0 - decay) * positive_a**exponent + linear_factor * decay * positive_a)
    return torch.where(is_zero, linear_factor * rho, power)


def finnis_sinclair_shifted_scaled(rho: Tensor, exponent: Tensor) -> Tensor:
    r"""Power of a shifted and scaled density.

    .. math:: F = \pm\big[(x e^{-a} + a)^m - x^m e^{-a}\big], \quad a = |\rho|, \; x = m^{-1/(m-1)}

    The sign is the sign of ρ, and F = ρ for m = 1. The derivative of :math:`a^m` is 1 at a = x. F is therefore smooth except at
    0, where its second derivative jumps.

    Args:
        rho: Densities ρ, (...), no unit.
        exponent: Exponents m, positive, broadcast against ``rho``.

    Returns:
        Values F, (...).

    Source: Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022), and the program python-ace.
    """
    sign, a = _sign_and_modulus(rho)
    is_linear = (exponent - 1.0).abs() < _NEGLIGIBLE
    m = torch.where(is_linear, 0.5, exponent)  # 0.5: any m other than 1, whose result is not used
    decay = torch.exp(-a)
    x = m ** (-1.0 / (m - 1.0))
    power = sign * ((x * decay + a) ** m - x**m * decay)
    return torch.where(is_linear, rho, power)


EMBEDDINGS = {
    "FinnisSinclair": finnis_sinclair,
    "FinnisSinclairShiftedScaled": finnis_sinclair_shifted_scaled,
}


def polynomial_switch(rho: Tensor, end: Tensor, width: Tensor) -> Tensor:
    """Switching function of the density: 1 up to end − width, 0 from ``end`` on, with two vanishing derivatives at both.

    Args:
        rho: Densities ρ or core energies, (...).
        end: Value of ρ at which the function becomes 0, in the unit of ρ, broadcast against ``rho``.
        width: Width of the switch, positive, in the unit of ρ, broadcast against ``rho``.

    Returns:
        Values in [0, 1], (...).
    """
    x = ((rho - (end - width)) / width).clamp(0.0, 1.0)
    return 1.0 - x * x * x * (10.0 - x * (15.0 - 6.0 * x))


def _sign_and_modulus(rho: Tensor) -> tuple[Tensor, Tensor]:
    sign = torch.where(rho < 0, -1.0, 1.0).to(rho.dtype)
    return sign, sign * rho
