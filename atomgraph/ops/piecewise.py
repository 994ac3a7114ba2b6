"""Piecewise polynomials that interpolate the derivative of a function; their value is its integral."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def nodes(degree: int) -> Tensor:
    r"""Nodes of the derivative: zeros of the Chebyshev polynomial :math:`T_n(2s)`, n the (odd) degree; (degree,) float64.

    .. math:: s_k = -\tfrac12 \cos\frac{(2k + 1)\pi}{2n}

    The middle node is s = 0, where the value is interpolated, too.

    Raises:
        ValueError: For an even degree.
    """
    if degree % 2 == 0:
        raise ValueError(f"pieces have an odd degree, so that their middle is a node, but it is {degree}")
    s = -0.5 * torch.cos((2 * torch.arange(degree, dtype=torch.float64) + 1) * (torch.pi / (2 * degree)))
    s[degree // 2] = 0.0
    return s


def pieces(derivative: Tensor, middle: Tensor) -> Tensor:
    r"""Polynomial of each piece in powers of the position :math:`s \in [-1/2, 1/2]`, with exact derivatives at the ``nodes``.

    .. math:: p(s) = f(0) + \int_0^s \sum_k f'(s_k) L_k(u)\, du, \qquad
              |p' - f'| \lesssim \frac{2}{n!} \Big(\frac{1}{4}\Big)^n \max |f^{(n+1)}|

    with Lagrange's polynomials :math:`L_k`, n of them. Values are off by the integral of that error, which changes sign n times
    in a piece: far less.

    Args:
        derivative: df/ds at the nodes, (n_pieces, n, n_values).
        middle: (n_pieces, n_values).

    Returns:
        (n_pieces, n + 1, n_values), the coefficient of :math:`s^0` first.
    """
    integrated = torch.einsum("ck,nkv->ncv", _powers(derivative.shape[1]).to(derivative), derivative)
    return torch.cat([middle[:, None], integrated], dim=1)


def piecewise(table: Tensor, piece: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Value and derivative with respect to s of each column, (n, n_values) both, by Horner's rule.

    Args:
        table: (n_pieces, n_powers, n_values), as ``pieces`` makes it.
        piece: (n,) which.
        s: (n,) in [-1/2, 1/2].
    """
    coefficients = table[piece].unbind(1)
    value, derivative = coefficients[-1], torch.zeros_like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        derivative = derivative * s[:, None] + value
        value = value * s[:, None] + coefficient
    return value, derivative


def graded(r: Tensor, cutoff: float, n_pieces: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""Piece, position s in it and ds/dr, for pieces between 0 and the cutoff that are shorter at small distances.

    .. math:: t(r) = \frac{2 n r}{r + r_c} \in [0, n]

    counts pieces: its integer part is the piece, the rest gives the position s, from −1/2 to 1/2.

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
