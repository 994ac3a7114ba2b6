"""Hermite splines: polynomials between knots that agree with values and derivatives at both ends."""

from __future__ import annotations

from math import comb, factorial

import torch
from torch import Tensor


def hermite_basis(t: Tensor, derivatives: int) -> Tensor:
    r"""Weights of what is known at the knots below and above a place between them.

    .. math:: H_j(t) = \frac{t^j}{j!} (1-t)^N \sum_{k=0}^{N-1-j} \binom{N-1+k}{k} t^k

    for the j-th derivative below, and :math:`(-1)^j H_j(1-t)` for that above; N derivatives, the value included, make
    polynomials of degree 2N − 1.  t: (n,) in [0, 1].  Returns (n, 2N): below, then above.
    """
    below = [_weight(t, j, derivatives) for j in range(derivatives)]
    above = [(-1) ** j * _weight(1.0 - t, j, derivatives) for j in range(derivatives)]
    return torch.stack(below + above, dim=1)


def hermite(table: Tensor, below: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Value and slope by t of each column, (n, n_values) both.

    table: (n_knots, derivatives, n_values), derivatives times the step to their power.  below: (n,) knots.  t: (n,).
    """
    known = torch.cat([table[below], table[below + 1]], dim=1)  # (n, 2N, n_values)
    number = table.shape[1]
    basis, slope, *_ = torch.func.jvp(lambda x: hermite_basis(x, number), (t,), (torch.ones_like(t),))
    return torch.einsum("nk,nkv->nv", basis, known), torch.einsum("nk,nkv->nv", slope, known)


def _weight(t: Tensor, j: int, n: int) -> Tensor:
    total = torch.zeros_like(t)
    for k in reversed(range(n - j)):
        total = total * t + comb(n - 1 + k, k)
    return t**j / factorial(j) * (1.0 - t) ** n * total
