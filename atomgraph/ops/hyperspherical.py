r"""Real harmonics on the sphere in four dimensions, and their values on a grid for integrals over the sphere.

A point is :math:`q = (\cos\theta, \sin\theta\,\hat r)`. The (n + 1)² harmonics of degree n are :math:`Z_{nlm}(q)`,
l = 0 … n, m = −l … l. They are scaled so that they satisfy an addition theorem with the Chebyshev polynomial :math:`U_n`, the
character of SU(2):

.. math:: \sum_{lm} Z_{nlm}(q) Z_{nlm}(g) = U_n(q\cdot g), \qquad
          Z_{nlm}(q) = \psi_{nl}(\theta) Y_{lm}(\hat r), \qquad
          \psi_{nl}(\theta) = 2^l l! \sqrt{\tfrac{(n-l)!}{(n+l+1)!}}\, \sin^l\theta\, C^{(l+1)}_{n-l}(\cos\theta)
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from atomgraph.old_names import old_names_of
from atomgraph.ops.spherical import spherical_harmonics


def hyperspherical_columns(n_max: int) -> list[tuple[int, int]]:
    """Return (n, l) of each column of ``hyperspherical_radial``, sorted by n − l, then by l."""
    return [(k + l, l) for k in range(n_max + 1) for l in range(n_max + 1 - k)]


def hyperspherical_radial(angle: Tensor, n_max: int) -> Tensor:
    r"""Compute :math:`\psi_{nl}(\theta)` for 0 ≤ l ≤ n ≤ n_max, by the recurrence of the Gegenbauer polynomials in n − l.

    Args:
        angle: Angles θ, (n_edges,), radians.
        n_max: Highest degree n.

    Returns:
        Values, (n_edges, (n_max + 1)(n_max + 2)/2), in the order of ``hyperspherical_columns``.

    Source: DLMF 18.9.1, scaled.
    """
    x, sine = torch.cos(angle)[:, None], torch.sin(angle)
    powers = [torch.ones_like(angle)]
    for l in range(1, n_max + 1):
        powers.append(powers[-1] * sine * math.sqrt(2 * l / (2 * l + 1)))
    blocks = [torch.stack(powers, dim=1)]  # block k: the functions with n − l = k
    for k in range(1, n_max + 1):
        a, b = _recurrence_factors(k, n_max, angle)
        block = a * x * blocks[-1][:, :-1]
        blocks.append(block if k == 1 else block - b * blocks[-2][:, :-2])
    return torch.cat(blocks, dim=1)


def _recurrence_factors(k: int, n_max: int, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of blocks k − 1 and k − 2 in the recurrence for block k, (n_max + 1 − k,) each, with l = 0 … n_max − k."""
    l = torch.arange(n_max + 1 - k, dtype=angle.dtype, device=angle.device)
    square = k * (k + 2 * l + 1)
    return 2 * (k + l) / square.sqrt(), ((k - 1) * (k + 2 * l) / square).sqrt()


@cache
def harmonic_columns(n_max: int) -> np.ndarray:
    """Return the column of each harmonic :math:`Z_{nlm}` in the flattened outer product of ψ and Y.

    Returns:
        Columns, (n_harmonics,), int, sorted by n, then l, then m.
    """
    radial_columns, n_angular = hyperspherical_columns(n_max), (n_max + 1) ** 2
    return np.array(
        [
            radial_columns.index((n, l)) * n_angular + l * l + m
            for n in range(n_max + 1)
            for l in range(n + 1)
            for m in range(2 * l + 1)
        ]
    )


@cache
def harmonics_on_grid(n_max: int) -> np.ndarray:
    r"""Compute :math:`w_g^{1/3} Z_{nlm}(g)` on a grid of points g with weights :math:`w_g` whose sum is 1.

    The sum over the grid of a product of three functions is then their mean over the sphere. The sum is exact if the degrees
    are at most n_max and have an even sum. Products of even degree are equal at g and −g, so the grid covers one half of the
    sphere. The quadrature is Gauss-Chebyshev in θ, Gauss-Legendre in the polar angle, and equal steps in the azimuth.

    Returns:
        Scaled harmonics, (n_harmonics, n_points), float64.
    """
    degree = 3 * n_max
    n_angles = 2 * (degree // 4 + 1)  # even, so that no angle is π/2, and 2 n_angles − 1 ≥ degree
    theta = np.arange(1, n_angles // 2 + 1) * np.pi / (n_angles + 1)
    theta_weight = 4.0 / (n_angles + 1) * np.sin(theta) ** 2
    cos_polar, polar_weight = np.polynomial.legendre.leggauss(degree // 2 + 1)
    azimuth = np.arange(degree + 1) * 2 * np.pi / (degree + 1)
    sin_polar, ones = np.sqrt(1 - cos_polar**2)[:, None], np.ones(degree + 1)
    direction = np.stack([sin_polar * np.cos(azimuth), sin_polar * np.sin(azimuth), cos_polar[:, None] * ones], axis=-1)
    radial = hyperspherical_radial(torch.from_numpy(theta), n_max)
    angular = spherical_harmonics(n_max, torch.from_numpy(direction.reshape(-1, 3)))
    harmonics = torch.einsum("ta,pb->abtp", radial, angular).flatten(0, 1)[torch.from_numpy(harmonic_columns(n_max))]
    weight = theta_weight[:, None] * (polar_weight[:, None] * ones / (2 * (degree + 1))).ravel()
    return np.asarray((harmonics.numpy() * np.cbrt(weight)).reshape(len(harmonics), -1))


__getattr__ = old_names_of(__name__)
