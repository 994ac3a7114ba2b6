"""Repulsion at short range as functions of the distance: python-ace's core repulsion, and a screened Coulomb potential."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from atomgraph.ops.radial_basis import polynomial_fade

_MAX_GAUSSIAN_EXPONENT = 50.0  # python-ace sets the core repulsion to 0 from λr² = 50 on
_COULOMB_CONSTANT = 14.399645351950543  # e²/4πε0, eV·Å
# c, e in φ(x) = Σ c exp(−e x)
_SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))


def core_repulsion(length: Tensor, prefactor: float, exponent: float, cutoff: float) -> Tensor:
    r"""Energy :math:`\frac{|A|}{r} e^{-|\lambda| r^2}\, \tfrac12(1 + \cos\pi r/r_c)`, 0 from the cutoff on.

    Args:
        length: Distances r, (n,), Å.
        prefactor: Prefactor A, eV·Å.
        exponent: Exponent λ, 1/Å².
        cutoff: Cutoff radius :math:`r_c`, Å.

    Returns:
        Energies, (n,), eV.
    """
    gaussian_exponent = abs(exponent) * length * length
    in_range = (length < cutoff) & (gaussian_exponent < _MAX_GAUSSIAN_EXPONENT)
    energy = (
        abs(prefactor) * torch.exp(-gaussian_exponent) / length * 0.5 * (1.0 + torch.cos(length * (math.pi / cutoff)))
    )
    return torch.where(in_range, energy, 0.0)


def screened_coulomb(
    length: Tensor, atomic_numbers: tuple[int, int], prefactor: float, cutoff: float, width: float
) -> Tensor:
    r"""ZBL's repulsion :math:`A\, \tfrac12 K Z_1 Z_2\, [\phi(r/a)/r + S(r)]`, switched off as in LAMMPS.

    K is the Coulomb constant e²/4πε₀, φ the screening function, and a the screening length. S makes the value and its first
    two derivatives 0 at the cutoff, and is constant up to cutoff − width. The energy is then multiplied by
    ``polynomial_fade``.

    Args:
        length: Distances r, (n,), Å.
        atomic_numbers: Atomic numbers Z of the two elements.
        prefactor: Prefactor A, no unit.
        cutoff: Cutoff radius, Å.
        width: Width of the range before the cutoff in which the repulsion is switched off, Å.

    Returns:
        Energies, (n,), eV.

    Source: LAMMPS, ``pair_style zbl``, and the program python-ace.
    """
    z_1, z_2 = atomic_numbers
    a = 0.46850 / (z_1**0.23 + z_2**0.23)  # screening length, Å
    terms = [c * math.exp(-e * cutoff / a) for c, e in _SCREENING]  # of φ at the cutoff
    # φ and its first two derivatives with respect to the distance
    phi, dphi, ddphi = (sum(t * (-e / a) ** k for t, (_, e) in zip(terms, _SCREENING, strict=True)) for k in range(3))
    v, dv = phi / cutoff, dphi / cutoff - phi / cutoff**2  # v(r) = φ(r/a)/r at the cutoff, and its derivatives
    ddv = ddphi / cutoff - 2 * dphi / cutoff**2 + 2 * phi / cutoff**3
    cubic, quartic = (width * ddv - 3 * dv) / width**2, (2 * dv - width * ddv) / width**3
    depth = (length - (cutoff - width)).clamp(min=0.0)  # distance inside the range of the switch
    shift = depth**3 * (cubic / 3 + depth * (quartic / 4)) - v + 0.5 * width * dv - width**2 * ddv / 12
    screened = torch.stack([c * torch.exp(length * (-e / a)) for c, e in _SCREENING]).sum(dim=0) / length
    energy = (0.5 * prefactor * _COULOMB_CONSTANT * z_1 * z_2) * (screened + shift)
    return torch.where(length < cutoff, energy * polynomial_fade(length, cutoff, width), 0.0)
