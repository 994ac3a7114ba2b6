r"""Functions on the sphere in four dimensions: real harmonics, a quadrature, and integrals of three functions.

A point is :math:`q = (\cos\theta, \sin\theta\,\hat r)`. Its harmonics of degree n are :math:`Z_{nlm}`, l = 0 … n, m = −l … l,
(n + 1)² in number and scaled so that they obey the addition theorem of the Chebyshev polynomial :math:`U_n`, the character of
SU(2),

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

from atomgraph.ops.spherical import spherical_harmonics


def hyperspherical_columns(n_max: int) -> list[tuple[int, int]]:
    """(n, l) of each column of ``hyperspherical_radial``: by n − l, then by l."""
    return [(k + l, l) for k in range(n_max + 1) for l in range(n_max + 1 - k)]


def hyperspherical_radial(angle: Tensor, n_max: int) -> Tensor:
    r""":math:`\psi_{nl}(\theta)` for 0 ≤ l ≤ n ≤ n_max, by the recurrence of the Gegenbauer polynomials in n − l.

    Args:
        angle: (n_edges,) θ in radians.

    Returns:
        (n_edges, (n_max + 1)(n_max + 2)/2), columns as ``hyperspherical_columns`` says.

    Source: DLMF 18.9.1, scaled.
    """
    x, sine = torch.cos(angle)[:, None], torch.sin(angle)
    powers = [torch.ones_like(angle)]
    for l in range(1, n_max + 1):
        powers.append(powers[-1] * sine * math.sqrt(2 * l / (2 * l + 1)))
    blocks = [torch.stack(powers, dim=1)]
    for k in range(1, n_max + 1):
        of_one, of_two = _recurrence(k, n_max, angle)
        block = of_one * x * blocks[-1][:, :-1]
        blocks.append(block if k == 1 else block - of_two * blocks[-2][:, :-2])
    return torch.cat(blocks, dim=1)


def _recurrence(k: int, n_max: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of the two functions before, for n − l = k and l = 0 … n_max − k."""
    l = torch.arange(n_max + 1 - k, dtype=like.dtype, device=like.device)
    square = k * (k + 2 * l + 1)
    return 2 * (k + l) / square.sqrt(), ((k - 1) * (k + 2 * l) / square).sqrt()


@cache
def columns_of_harmonics(n_max: int) -> np.ndarray:
    """The column of each harmonic :math:`Z_{nlm}` in ψ ⊗ Y, flattened; sorted by n, then l, then m."""
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
    r""":math:`w_g^{1/3} Z_{nlm}(g)`, (n_harmonics, n_points), float64, on a grid with :math:`\sum_g w_g = 1`.

    The weighted sum of products of three functions of degrees up to n_max is their mean over the sphere, exactly, where the
    degrees have an even sum. Such products are equal at g and −g, so the grid holds one half of the sphere: Gauss-Chebyshev
    in θ, Gauss-Legendre and equal steps in :math:`\hat r`.
    """
    degree = 3 * n_max
    n_angles = 2 * (degree // 4 + 1)  # even, so that none is π/2, and 2 n_angles − 1 ≥ degree
    steps = np.arange(1, n_angles // 2 + 1) * np.pi / (n_angles + 1)
    of_angle = 4.0 / (n_angles + 1) * np.sin(steps) ** 2
    polar, of_polar = np.polynomial.legendre.leggauss(degree // 2 + 1)
    azimuth = np.arange(degree + 1) * 2 * np.pi / (degree + 1)
    ring, across = np.sqrt(1 - polar**2)[:, None], np.ones(degree + 1)
    direction = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), polar[:, None] * across], axis=-1)
    radial = hyperspherical_radial(torch.from_numpy(steps), n_max)
    angular = spherical_harmonics(n_max, torch.from_numpy(direction.reshape(-1, 3)))
    harmonics = torch.einsum("ta,pb->abtp", radial, angular).flatten(0, 1)[
        torch.from_numpy(columns_of_harmonics(n_max))
    ]
    weight = of_angle[:, None] * (of_polar[:, None] * across / (2 * (degree + 1))).ravel()
    return np.asarray((harmonics.numpy() * np.cbrt(weight)).reshape(len(harmonics), -1))
