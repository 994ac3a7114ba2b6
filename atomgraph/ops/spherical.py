"""Real spherical harmonics in the convention of e3nn."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest

_MAX_DEGREE = 12  # largest degree for which e3nn has formulas
_NORMALIZATIONS = ("component", "integral", "norm")


def spherical_harmonics(l_max: int, vector: Tensor, normalization: str = "component") -> Tensor:
    r"""Real spherical harmonics :math:`Y_{lm}(\hat r)` of the directions of vectors, in e3nn's convention.

    The polar axis is y: :math:`Y_{1m} \propto (x, y, z)`, and :math:`Y(x, y, z) = Y^{std}(z, x, y)` for the usual real
    harmonics about z. There is no Condon-Shortley sign. The parity is :math:`(-1)^l`, so the irreps of all columns are
    ``o3.Irreps.spherical_harmonics(l_max)``.

    For a zero vector, columns with :math:`l > 0` and all derivatives are 0.

    Args:
        l_max: Highest degree l, from 0 to 12.
        vector: Vectors, (n_edges, 3), any length and unit.
        normalization: ``component``: :math:`\sum_m Y_{lm}^2 = 2l+1` (used in most of atomgraph and in MACE); ``integral``:
            :math:`\int Y_{lm}^2\, d\Omega = 1`; ``norm``: :math:`\sum_m Y_{lm}^2 = 1`.

    Returns:
        Harmonics, (n_edges, (l_max + 1)²). The column of (l, m), m = −l … l, is :math:`l^2 + l + m`.

    Raises:
        WiringError: Unless 0 ≤ l_max ≤ 12 and the normalization is one of the three.

    Source: Geiger and Smidt, arXiv:2207.09453 (e3nn).
    """
    harmonics = _harmonics(l_max, normalization)
    square = vector.square().sum(dim=1, keepdim=True)
    is_zero = square == 0
    length = torch.where(is_zero, 1.0, square).sqrt()
    return harmonics(torch.where(is_zero, 0.0, vector / length))


@cache
def _harmonics(l_max: int, normalization: str) -> o3.SphericalHarmonics:
    if not 0 <= l_max <= _MAX_DEGREE:
        raise WiringError(f"l_max should be between 0 and {_MAX_DEGREE}, but is {l_max}")
    if normalization not in _NORMALIZATIONS:
        raise WiringError(
            f"unknown normalization {normalization!r} of spherical harmonics{nearest(normalization, _NORMALIZATIONS)}"
        )
    return o3.SphericalHarmonics(list(range(l_max + 1)), normalize=False, normalization=normalization)


@cache
def harmonic_polynomials(l_max: int) -> dict[tuple[int, tuple[int, ...]], float]:
    """Express the harmonics as polynomials of the components of a unit vector, homogeneous of degree l.

    Returns:
        Coefficients by (column, monomial). A monomial is a tuple of sorted factors, with 0, 1, 2 for x, y, z: (0, 0, 2) is
        x²z.
    """
    points = np.random.default_rng(0).normal(size=(20 * (l_max + 1) ** 2, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    values = spherical_harmonics(l_max, torch.from_numpy(points)).numpy()
    coefficients: dict[tuple[int, tuple[int, ...]], float] = {}
    for l in range(l_max + 1):
        monomials = list(combinations_with_replacement(range(3), l))
        table = np.stack([points[:, list(monomial)].prod(axis=1) for monomial in monomials], axis=1)
        solution = np.linalg.lstsq(table, values[:, l * l : (l + 1) ** 2])[0]
        for row, m in np.argwhere(np.abs(solution) > 1e-10):
            coefficients[l * l + int(m), monomials[row]] = float(solution[row, m])
    return coefficients
