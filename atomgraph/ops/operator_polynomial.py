"""Polynomials of a linear operator by recurrence; each term takes one application of the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from atomgraph.errors import WiringError, nearest

Operator = Callable[[Tensor], Tensor]
BASES = ("monomial", "chebyshev")


def monomials(operator: Operator, h: Tensor, degree: int) -> Iterator[Tensor]:
    """:math:`h, Lh, L^2h, …, L^K h`, one after another; K = ``degree`` ≥ 0. Each has the shape of h."""
    yield h
    for _ in range(degree):
        h = operator(h)
        yield h


def chebyshev_polynomials(operator: Operator, h: Tensor, degree: int, lambda_max: float = 2.0) -> Iterator[Tensor]:
    r""":math:`T_0(\tilde L)h, …, T_K(\tilde L)h`, where :math:`\tilde L = 2L/\lambda_{max} - I` has its spectrum in [−1, 1].

    .. math:: T_0 = 1,\quad T_1 = x,\quad T_{k+1} = 2x\,T_k - T_{k-1}

    Args:
        lambda_max: An upper bound of the eigenvalues of L, a constant: 2 for the normalised Laplacians. Taken from a
            batch, it would make an atom's energy depend on what else is in the batch. Each term has the shape of h.

    Source: Defferrard, Bresson and Vandergheynst, NeurIPS 2016.
    """

    def scaled(x: Tensor) -> Tensor:
        return (2.0 / lambda_max) * operator(x) - x

    yield h
    if degree == 0:
        return
    before, now = h, scaled(h)
    yield now
    for _ in range(degree - 1):
        before, now = now, 2.0 * scaled(now) - before
        yield now


def polynomials(
    operator: Operator, h: Tensor, degree: int, basis: str = "monomial", lambda_max: float = 2.0
) -> Iterator[Tensor]:
    """The K + 1 terms of either basis, ``monomial`` (which has no λ_max) or ``chebyshev``."""
    check_polynomial(degree, basis, lambda_max)
    if basis == "monomial":
        return monomials(operator, h, degree)
    return chebyshev_polynomials(operator, h, degree, lambda_max)


def check_polynomial(degree: int, basis: str, lambda_max: float) -> None:
    """WiringError unless the degree is at least 0, the basis known and λ_max positive."""
    if basis not in BASES:
        raise WiringError(f"unknown polynomial basis {basis!r}{nearest(str(basis), BASES)}")
    if degree < 0:
        raise WiringError(f"the degree of a polynomial is at least 0, but is {degree}")
    if not lambda_max > 0:
        raise WiringError(f"lambda_max bounds the eigenvalues of the Laplacian and is positive, but is {lambda_max}")
