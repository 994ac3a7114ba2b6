"""Polynomials of a linear operator, applied to features by recurrence; each term takes one application of the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from atomgraph.errors import WiringError, check_name
from atomgraph.old_names import old_names_of

Operator = Callable[[Tensor], Tensor]
BASES = ("monomial", "chebyshev")


def operator_powers(operator: Operator, h: Tensor, degree: int) -> Iterator[Tensor]:
    """Yield :math:`h, Lh, L^2h, …, L^K h` with K = ``degree`` ≥ 0, each with the shape of h."""
    yield h
    for _ in range(degree):
        h = operator(h)
        yield h


def chebyshev_polynomials(operator: Operator, h: Tensor, degree: int, lambda_max: float = 2.0) -> Iterator[Tensor]:
    r"""Yield :math:`T_0(\tilde L)h, …, T_K(\tilde L)h` with :math:`\tilde L = 2L/\lambda_{max} - I`, of the shape of h.

    .. math:: T_0 = 1,\quad T_1 = x,\quad T_{k+1} = 2x\,T_k - T_{k-1}

    Args:
        operator: Function h → L h.
        h: Features, (n_atoms, n_channels).
        degree: Highest degree K, at least 0.
        lambda_max: Upper bound of the eigenvalues of L, so that the spectrum of :math:`\tilde L` is in [−1, 1]; 2 for the
            normalised Laplacians. The bound is a constant: computed from a batch, it would make the energy of an atom depend
            on the other structures in the batch.

    Source: Defferrard, Bresson and Vandergheynst, NeurIPS 2016.
    """

    def scaled(x: Tensor) -> Tensor:
        return (2.0 / lambda_max) * operator(x) - x

    yield h
    if degree == 0:
        return
    previous, term = h, scaled(h)
    yield term
    for _ in range(degree - 1):
        previous, term = term, 2.0 * scaled(term) - previous
        yield term


def polynomials(
    operator: Operator, h: Tensor, degree: int, basis: str = "monomial", lambda_max: float = 2.0
) -> Iterator[Tensor]:
    """Iterate over the K + 1 terms of the basis ``monomial`` or ``chebyshev``, each with the shape of h.

    Arguments are those of ``chebyshev_polynomials``; λ_max has no effect for ``monomial``.
    """
    check_polynomial(degree, basis, lambda_max)
    if basis == "monomial":
        return operator_powers(operator, h, degree)
    return chebyshev_polynomials(operator, h, degree, lambda_max)


def check_polynomial(degree: int, basis: str, lambda_max: float) -> None:
    """Raise a WiringError unless the degree is at least 0, the basis is known and λ_max is positive."""
    check_name("polynomial basis", basis, BASES)
    if degree < 0:
        raise WiringError(f"the degree of a polynomial is at least 0, but is {degree}")
    if not lambda_max > 0:
        raise WiringError(f"lambda_max bounds the eigenvalues of the Laplacian and is positive, but is {lambda_max}")


__getattr__ = old_names_of(__name__)
