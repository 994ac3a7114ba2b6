"""Piecewise polynomials whose derivatives interpolate the derivative of a function."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from atomgraph.old_names import old_names_of


def derivative_nodes(degree: int) -> Tensor:
    r"""Positions s at which the derivative is interpolated: zeros of the Chebyshev polynomial :math:`T_n(2s)`.

    .. math:: s_k = -\tfrac12 \cos\frac{(2k + 1)\pi}{2n}

    The value is interpolated at the middle node, s = 0.

    Args:
        degree: Degree n of the pieces, odd.

    Returns:
        Nodes, (degree,), float64.

    Raises:
        ValueError: If the degree is even.
    """
    if degree % 2 == 0:
        raise ValueError(f"the degree of pieces should be odd, so that their middle is a node, but is {degree}")
    s = -0.5 * torch.cos((2 * torch.arange(degree, dtype=torch.float64) + 1) * (torch.pi / (2 * degree)))
    s[degree // 2] = 0.0
    return s


def fit_pieces(derivative: Tensor, middle: Tensor) -> Tensor:
    r"""Compute the polynomial of each piece, whose derivatives are exact at the ``derivative_nodes``.

    .. math:: p(s) = f(0) + \int_0^s \sum_k f'(s_k) L_k(u)\, du, \qquad
              |p' - f'| \lesssim \frac{2}{n!} \Big(\frac{1}{4}\Big)^n \max |f^{(n+1)}|

    Here :math:`s \in [-1/2, 1/2]` is the position in the piece, and :math:`L_k` are the n Lagrange polynomials of the nodes.
    The error of p is the integral of the error of p′. It is far smaller, because the error of p′ changes its sign n times per
    piece.

    Args:
        derivative: Derivatives df/ds at the nodes, (n_pieces, n, n_values).
        middle: Values f(0) in the middle of each piece, (n_pieces, n_values).

    Returns:
        Coefficients of the powers of s, (n_pieces, n + 1, n_values), the coefficient of :math:`s^0` first.
    """
    integral = torch.einsum("ck,nkv->ncv", _integrated_powers(derivative.shape[1]).to(derivative), derivative)
    return torch.cat([middle[:, None], integral], dim=1)


def evaluate_pieces(table: Tensor, piece: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Compute values and derivatives of all columns of a table, by Horner's rule.

    Args:
        table: Coefficients of ``fit_pieces``, (n_pieces, n_powers, n_values).
        piece: Index of the piece, (n_positions,), int64.
        s: Position in the piece, (n_positions,), in [−1/2, 1/2].

    Returns:
        Values, (n_positions, n_values), and derivatives with respect to s, (n_positions, n_values).
    """
    coefficients = table[piece].unbind(1)
    value, derivative = coefficients[-1], torch.zeros_like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        derivative = derivative * s[:, None] + value
        value = value * s[:, None] + coefficient
    return value, derivative


def locate_pieces(r: Tensor, cutoff: float, n_pieces: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""Find the piece of each distance. Pieces cover the range from 0 to the cutoff and are shorter at small distances.

    .. math:: t(r) = \frac{2 n r}{r + r_c} \in [0, n]

    The integer part of t is the index of the piece. The fractional part minus 1/2 is the position s in the piece.

    Args:
        r: Distances, (...), Å.
        cutoff: Cutoff radius :math:`r_c`, Å.
        n_pieces: Number of pieces n.

    Returns:
        Index of the piece, (...), int64; position s in [−1/2, 1/2], (...); and ds/dr, (...), 1/Å.
    """
    inverse = 1.0 / (r + cutoff)
    t = 2 * n_pieces * r * inverse
    piece = t.detach().nan_to_num().long().clamp(0, n_pieces - 1)
    return piece, t - piece - 0.5, 2 * n_pieces * cutoff * inverse.square()


@cache
def _integrated_powers(n: int) -> Tensor:
    """Coefficients of s¹ … sⁿ in the integrals of the Lagrange polynomials, (n, n), float64."""
    powers = torch.arange(n, dtype=torch.float64)
    return torch.linalg.inv(derivative_nodes(n)[:, None] ** powers) / (powers + 1.0)[:, None]


__getattr__ = old_names_of(__name__)
