"""The matrix Γ of a Gaussian prior on the weights, in the ways a caller may give it."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.triangular import Reduced

Prior = float | Tensor


def prior_rows(prior: Prior, reduced: Reduced) -> Tensor:
    """Γ as rows (m, n) in the penalty |Γw|²: a number γ is γ·1, a vector (n,) is a diagonal, a matrix (m, n) is itself.

    Raises:
        FittingError: For another shape and for numbers that are negative (of a diagonal) or not finite.
    """
    n = reduced.n_unknowns
    given = torch.as_tensor(prior, dtype=reduced.R.dtype, device=reduced.R.device)
    if given.dim() > 2 or (given.dim() > 0 and given.shape[-1] != n):
        raise FittingError(
            f"a prior is a number, {n} numbers or a matrix of {n} columns, but came as {tuple(given.shape)}"
        )
    if not bool(torch.isfinite(given).all()) or (given.dim() < 2 and bool((given < 0).any())):
        raise FittingError("a prior is finite and, where it is diagonal, not negative")
    return given if given.dim() == 2 else torch.diag(given.expand(n))


def in_units_of(prior: Prior, reduced: Reduced) -> tuple[Reduced, Tensor]:
    """The problem in v = Γw, whose prior is isotropic, and Γ⁻¹ (n, n) to come back by.

    Raises:
        FittingError: Unless Γ is a diagonal or upper triangle without zeros on its diagonal.
    """
    gamma = prior_rows(prior, reduced)
    n = reduced.n_unknowns
    if gamma.shape != (n, n) or bool((gamma.diagonal() == 0).any()) or bool((gamma.tril(-1) != 0).any()):
        raise FittingError(
            "this solver wants a prior for every weight: a diagonal or upper triangle with no zero on the diagonal"
        )
    eye = torch.eye(n, dtype=gamma.dtype, device=gamma.device)
    inverse = torch.linalg.solve_triangular(gamma, eye, upper=True)
    return Reduced(reduced.R @ inverse, reduced.Qty, reduced.residual_square, reduced.n_rows), inverse
