"""The matrix Γ of a Gaussian prior on the weights, from a number, a vector or a matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.triangular import TriangularFactor
from atomgraph.old_names import old_names_of, with_old_arguments

Prior = float | Tensor


@with_old_arguments
def prior_rows(prior: Prior, factor: TriangularFactor) -> Tensor:
    """Return Γ of the penalty |Γw|² as rows, (m, n).

    Args:
        prior: A number γ for Γ = γ·1, a vector (n,) for a diagonal Γ, or a matrix (m, n).
        factor: Triangular factor of the problem with n unknowns.

    Raises:
        FittingError: If the shape is not one of these, a number is not finite, or a number of a diagonal Γ is negative.
    """
    n = factor.n_unknowns
    gamma = torch.as_tensor(prior, dtype=factor.R.dtype, device=factor.R.device)
    if gamma.dim() > 2 or (gamma.dim() > 0 and gamma.shape[-1] != n):
        raise FittingError(
            f"a prior is a number, {n} numbers or a matrix of {n} columns, but has the shape {tuple(gamma.shape)}"
        )
    if not bool(torch.isfinite(gamma).all()) or (gamma.dim() < 2 and bool((gamma < 0).any())):
        raise FittingError(
            "the numbers of a prior should be finite, and not negative if the prior is a number or a diagonal"
        )
    return gamma if gamma.dim() == 2 else torch.diag(gamma.expand(n))


@with_old_arguments
def whiten(prior: Prior, factor: TriangularFactor) -> tuple[TriangularFactor, Tensor]:
    """Transform a problem to the variables v = Γw, in which the prior is isotropic.

    Args:
        prior: Γ as in ``prior_rows``; diagonal or upper triangular.
        factor: Triangular factor of the problem in w.

    Returns:
        The factor of the problem in v, and Γ⁻¹, (n, n), for w = Γ⁻¹v.

    Raises:
        FittingError: If Γ is not a diagonal or upper triangle, or has a zero on its diagonal.
    """
    gamma = prior_rows(prior, factor)
    n = factor.n_unknowns
    if gamma.shape != (n, n) or bool((gamma.diagonal() == 0).any()) or bool((gamma.tril(-1) != 0).any()):
        raise FittingError(
            "this solver needs a prior for every weight: a diagonal or upper triangle with no zero on the diagonal"
        )
    eye = torch.eye(n, dtype=gamma.dtype, device=gamma.device)
    inverse_gamma = torch.linalg.solve_triangular(gamma, eye, upper=True)
    whitened = TriangularFactor(factor.R @ inverse_gamma, factor.Qty, factor.residual_square, factor.n_rows)
    return whitened, inverse_gamma


__getattr__ = old_names_of(__name__)
