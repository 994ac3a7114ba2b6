"""Modified spherical Bessel functions of the first kind, scaled so that they neither overflow nor vanish."""

from __future__ import annotations

import numpy as np

_UPWARD_FROM = 60.0  # the upward recurrence loses less than two digits from here on, up to l = 16


def scaled_spherical_bessel(x: np.ndarray, l_max: int) -> np.ndarray:
    r""":math:`e^{-x} i_l(x)` for l = 0 … l_max ≤ 16 and x ≥ 0, in float64: any shape to (l_max + 1, ...).

    .. math:: i_0 = \frac{\sinh x}{x},\qquad i_{l+1} = i_{l-1} - \frac{2l+1}{x}\, i_l

    The recurrence runs downward, by ratios from a degree far above l_max, for small x, and upward for large x.

    Source: DLMF 10.49, 10.51.
    """
    x = np.asarray(x, dtype=np.float64)
    values = np.empty((l_max + 1, *x.shape))
    small, safe = x < _UPWARD_FROM, np.maximum(x, 1e-300)
    values[0] = np.where(x < 1e-3, np.exp(-x) * (1 + x**2 / 6 + x**4 / 120), -np.expm1(-2 * x) / (2 * safe))
    ratio = np.zeros_like(x)
    ratios = []
    for order in range(l_max + 80, 0, -1):  # i_order / i_{order - 1}
        ratio = x / (2 * order + 1 + x * ratio)
        ratios.append(ratio)
    for order in range(1, l_max + 1):
        upward = (1 + np.exp(-2 * x)) / (2 * safe) - values[0] / safe if order == 1 else None
        if upward is None:
            upward = values[order - 2] - (2 * order - 1) / safe * values[order - 1]
        values[order] = np.where(small, values[order - 1] * ratios[-order], upward)
    return values
