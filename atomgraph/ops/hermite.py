"""Hermite splines: polynomials between knots that agree with values and derivatives at both ends."""

from __future__ import annotations

from functools import cache
from math import comb, factorial

import torch
from numpy.polynomial import Polynomial
from torch import Tensor


def pieces(known: Tensor) -> Tensor:
    r"""The polynomial of each interval in powers of its place :math:`s \in [-1/2, 1/2]`.

    .. math:: p(s) = \sum_j f^{(j)}_0 H_j(t) + (-1)^j f^{(j)}_1 H_j(1 - t), \qquad
              H_j(t) = \frac{t^j}{j!} (1-t)^N \sum_{k=0}^{N-1-j} \binom{N-1+k}{k} t^k, \qquad t = s + \tfrac12

    known: (n_knots, N, n_values), values and derivatives, these times the step to their power; N of them make polynomials of
    degree 2N − 1. Returns (n_knots − 1, 2N, n_values), the coefficient of :math:`s^0` first. A slope that is read off powers
    of s is as exact as its own coefficient; read off values at both knots it would be a small difference of large numbers.
    """
    number = known.shape[1]
    ends = torch.cat([known[:-1], known[1:]], dim=1)  # (n_knots - 1, 2N, n_values)
    return torch.einsum("ck,nkv->ncv", _powers(number).to(known), ends)


def piecewise(table: Tensor, piece: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Value and slope by s of each column, (n, n_values) both, by Horner's rule.

    table: (n_pieces, 2N, n_values), as ``pieces`` makes it.  piece: (n,) which.  s: (n,) in [-1/2, 1/2].
    """
    coefficients = table[piece].unbind(1)
    value, slope = coefficients[-1], torch.zeros_like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        slope = slope * s[:, None] + value
        value = value * s[:, None] + coefficient
    return value, slope


@cache
def _powers(number: int) -> Tensor:
    """(2N, 2N) float64: coefficients of powers of s by what is known at the knots below and above."""
    t = Polynomial([0.5, 1.0])
    below = [_weight(t, j, number) for j in range(number)]
    above = [(-1) ** j * _weight(1.0 - t, j, number) for j in range(number)]
    rows = [weight.coef.tolist() + [0.0] * (2 * number - len(weight.coef)) for weight in below + above]
    return torch.tensor(rows, dtype=torch.float64).T


def _weight(t: Polynomial, j: int, n: int) -> Polynomial:
    """H_j, exact up to the division by j!: all numbers are integers over powers of two."""
    total = Polynomial([0.0])
    for k in reversed(range(n - j)):
        total = total * t + comb(n - 1 + k, k)
    return t**j * (1.0 - t) ** n * total / factorial(j)
