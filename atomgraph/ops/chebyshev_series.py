"""Chebyshev series of functions of one variable, exact to rounding, with derivatives.

Many functions are evaluated in one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from atomgraph.old_names import old_names_of

_MAX_TERMS = 1024  # largest number of terms of a series
_ROUNDING = 1e-9  # relative rounding error of functions that are sums of large terms


def fit_series(function: Callable[[np.ndarray], np.ndarray], upper: float) -> np.ndarray:
    r"""Compute the coefficients c of :math:`f(r) = \sum_k c_k\, T_k(2r/r_{max} - 1)` on [0, r_max].

    The series ends where its coefficients stop decreasing, because they are smaller than the rounding errors of the function.

    Args:
        function: Function of distances (n,), float64, Å, with values (n, n_functions); smooth on [0, r_max].
        upper: Largest distance r_max, Å.

    Returns:
        Coefficients, (n_terms, n_functions).

    Raises:
        ValueError: If 1024 terms are too few, because the function is not smooth.
    """
    n, previous_floor = 32, np.inf
    while n <= _MAX_TERMS:
        nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n)
        coefficients = chebyshev.chebvander(nodes, n - 1).T @ function(0.5 * upper * (nodes + 1.0)) * (2.0 / n)
        coefficients[0] *= 0.5
        sizes = (np.abs(coefficients) / np.maximum(np.abs(coefficients).max(axis=0), 1e-300)).max(axis=1)
        floor = sizes[-n // 4 :].max()  # rounding errors, if the series has converged
        if floor < _ROUNDING and (floor > 0.1 * previous_floor or floor < 8 * np.finfo(float).eps):
            n_terms = int(np.nonzero(sizes > 2.0 * floor)[0].max(initial=0)) + 1
            return coefficients[: max(n_terms, 2)]
        n, previous_floor = 2 * n, floor
    raise ValueError(
        f"a Chebyshev series of {_MAX_TERMS} terms does not converge to this function on [0, {upper}]: it is not smooth"
    )


def series_derivative(coefficients: np.ndarray, upper: float) -> np.ndarray:
    """Compute the coefficients of the derivative with respect to r, with the same number of terms; the last is zero."""
    derivative = chebyshev.chebder(coefficients, axis=0) * (2.0 / upper)
    return np.concatenate([derivative, np.zeros_like(coefficients[: len(coefficients) - len(derivative)])])


def chebyshev_series(r: Tensor, coefficients: tuple[Tensor, ...], upper: float) -> Tensor:
    r"""Evaluate series of ``fit_series`` at distances r.

    Args:
        r: Distances, (n_edges,), Å. Beyond r_max, values and derivatives are those at r_max.
        coefficients: Coefficients of the functions, and of every derivative that will be computed (``series_derivative``),
            (n_terms, n_functions) each.
        upper: Largest distance r_max, Å.

    Returns:
        Values, (n_edges, n_functions).
    """
    value: Tensor = _Series.apply(r, _polynomials(r.detach(), len(coefficients[0]), upper), 0, upper, *coefficients)
    return value


def _polynomials(r: Tensor, n_terms: int, upper: float) -> Tensor:
    """Chebyshev polynomials :math:`T_k`, (n_terms, n_edges), shared by the functions and all their derivatives."""
    x = (r * (2.0 / upper) - 1.0).clamp(max=1.0)
    two_x = 2.0 * x
    terms = [torch.ones_like(x), x]
    for _ in range(n_terms - 2):
        terms.append(torch.addcmul(-terms[-2], two_x, terms[-1]))
    return torch.stack(terms)


class _Series(torch.autograd.Function):
    """Sum of a Chebyshev series, whose backward pass evaluates the series of the derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(r: Tensor, polynomials: Tensor, order: int, upper: float, *coefficients: Tensor) -> Tensor:
        if order == len(coefficients):
            raise RuntimeError(
                f"this Chebyshev series has {order - 1} derivatives, but one more was requested; pass its coefficients, too"
            )
        return polynomials.mT @ coefficients[order]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        r, polynomials, ctx.order, ctx.upper, *coefficients = inputs
        ctx.save_for_backward(r, polynomials, *coefficients)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        r, polynomials, *coefficients = ctx.saved_tensors
        derivative = _Series.apply(r, polynomials, ctx.order + 1, ctx.upper, *coefficients)
        return (gradients[0] * derivative).sum(dim=-1), None, None, None, *([None] * len(coefficients))


__getattr__ = old_names_of(__name__)
