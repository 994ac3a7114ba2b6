"""Repulsion at short range as functions of the distance: that of python-ace's core, and a screened Coulomb potential."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from atomgraph.ops.radial_basis import polynomial_fade

_FARTHEST_GAUSSIAN = 50.0  # python-ace drops the core repulsion from λr² = 50 on
_COULOMB = 14.399645351950543  # e²/4πε0 in eV·Å
_SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))  # coefficient, exponent


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
