"""Modified spherical Bessel functions of the first kind, scaled so that they neither overflow nor underflow."""

from __future__ import annotations

import numpy as np

_UPWARD_FROM = 60.0  # smallest x at which the upward recurrence loses less than two digits, up to l = 16


def scaled_spherical_bessel(x: np.ndarray, l_max: int) -> np.ndarray:
    r"""Compute :math:`e^{-x} i_l(x)` for l = 0 … l_max.

    .. math:: i_0 = \frac{\sinh x}{x},\qquad i_{l+1} = i_{l-1} - \frac{2l+1}{x}\, i_l

    For large x the recurrence runs upward. For small x it runs downward, on the ratios of neighbouring degrees, from a degree
    far above l_max.

    Args:
        x: Arguments, (...), not negative.
        l_max: Highest degree, at most 16.

    Returns:
        Values, (l_max + 1, ...), float64.

    Source: DLMF 10.49, 10.51.
    """
    x = np.asarray(x, dtype=np.float64)
    values = np.empty((l_max + 1, *x.shape))
    is_small, positive_x = x < _UPWARD_FROM, np.maximum(x, 1e-300)
    values[0] = np.where(x < 1e-3, np.exp(-x) * (1 + x**2 / 6 + x**4 / 120), -np.expm1(-2 * x) / (2 * positive_x))
    ratio = np.zeros_like(x)
    ratios = []
    for l in range(l_max + 80, 0, -1):  # i_l / i_{l - 1}
        ratio = x / (2 * l + 1 + x * ratio)
        ratios.append(ratio)
    for l in range(1, l_max + 1):
        upward = (1 + np.exp(-2 * x)) / (2 * positive_x) - values[0] / positive_x if l == 1 else None
        if upward is None:
            upward = values[l - 2] - (2 * l - 1) / positive_x * values[l - 1]
        values[l] = np.where(is_small, values[l - 1] * ratios[-l], upward)
    return values
