"""Piecewise polynomials that interpolate a function's slope, and whose value is the integral of that."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def nodes(degree: int) -> Tensor:
    r"""Where slopes are taken: zeros of the Chebyshev polynomial :math:`T_n(2s)`, n the (odd) degree; (degree,) float64.

    .. math:: s_k = -\tfrac12 \cos\frac{(2k + 1)\pi}{2n}

    The one in the middle is s = 0, where the value is taken, too.

    Raises:
        ValueError: For an even degree.
    """
    if degree % 2 == 0:
        raise ValueError(f"pieces have an odd degree, so that their middle is a node, but it is {degree}")
    s = -0.5 * torch.cos((2 * torch.arange(degree, dtype=torch.float64) + 1) * (torch.pi / (2 * degree)))
    s[degree // 2] = 0.0
    return s


def pieces(slopes: Tensor, middle: Tensor) -> Tensor:
    r"""Each piece's polynomial in powers of its place :math:`s \in [-1/2, 1/2]`, slopes exact at the ``nodes``.

    .. math:: p(s) = f(0) + \int_0^s \sum_k f'(s_k) L_k(u)\, du, \qquad
              |p' - f'| \lesssim \frac{2}{n!} \Big(\frac{1}{4}\Big)^n \max |f^{(n+1)}|

    with Lagrange's polynomials :math:`L_k`, n of them. Values are off by the integral of that error, which changes sign n times
    in a piece: far less.

    Args:
        slopes: (n_pieces, n, n_values), by s.
        middle: (n_pieces, n_values).

    Returns:
        (n_pieces, n + 1, n_values), the coefficient of :math:`s^0` first.
    """
    integrated = torch.einsum("ck,nkv->ncv", _powers(slopes.shape[1]).to(slopes), slopes)
    return torch.cat([middle[:, None], integrated], dim=1)


def piecewise(table: Tensor, piece: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Value and slope by s of each column, (n, n_values) both, by Horner's rule.

    Args:
        table: (n_pieces, n_powers, n_values), as ``pieces`` makes it.
        piece: (n,) which.
        s: (n,) in [-1/2, 1/2].
    """
    coefficients = table[piece].unbind(1)
    value, slope = coefficients[-1], torch.zeros_like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        slope = slope * s[:, None] + value
        value = value * s[:, None] + coefficient
    return value, slope


def graded(r: Tensor, cutoff: float, n_pieces: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""Piece, place s in it and ds/dr where pieces between 0 and the cutoff are closer the closer atoms are.

    .. math:: t(r) = \frac{2 n r}{r + r_c} \in [0, n]

    counts pieces: its whole part is the piece, the rest the place, from −1/2 to 1/2.

    Args:
        r: (...) Å.
        cutoff: :math:`r_c`, Å.
        n_pieces: n. Each result has the shape of r; ds/dr is in 1/Å.
    """
    inverse = 1.0 / (r + cutoff)
    t = 2 * n_pieces * r * inverse
    piece = t.detach().nan_to_num().long().clamp(0, n_pieces - 1)
    return piece, t - piece - 0.5, 2 * n_pieces * cutoff * inverse.square()


@cache
def _powers(n: int) -> Tensor:
    """(n, n) float64: coefficients of s¹ … sⁿ of the integrals of Lagrange's polynomials."""
    powers = torch.arange(n, dtype=torch.float64)
    return torch.linalg.inv(nodes(n)[:, None] ** powers) / (powers + 1.0)[:, None]
