"""Least squares and ridge regression with a Gaussian prior, by QR."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.conditioning import Conditioning, check_full_rank, compute_conditioning
from atomgraph.fitting.solvers.prior import Prior, prior_rows
from atomgraph.fitting.solvers.solution import LinearSolution
from atomgraph.fitting.solvers.triangular import TriangularFactor, triangularise
from atomgraph.old_names import old_names_of, with_old_arguments


@dataclass(frozen=True)
class RidgeSolution(LinearSolution):
    """Solution of a ridge regression, with σ² = |Xw − y|²/(N − n_effective).

    Attributes:
        conditioning: Conditioning of the triangular factor of [R; Γ].
    """

    conditioning: Conditioning


@with_old_arguments
@torch.no_grad()
def least_squares(factor: TriangularFactor, tolerance: float | None = None) -> RidgeSolution:
    """Return the weights w that minimise |Xw − y|².

    Args:
        factor: Triangular factor of the weighted rows.
        tolerance: Relative tolerance of the rank; None for 10 n ε, with the machine precision ε.

    Raises:
        FittingError: If the data do not determine all weights.
    """
    return _solve(factor, factor.R.new_zeros(0, factor.n_unknowns), tolerance)


@with_old_arguments
@torch.no_grad()
def ridge(factor: TriangularFactor, prior: Prior, tolerance: float | None = None) -> RidgeSolution:
    r"""Return the weights w that minimise |Xw − y|² + |Γw|², by QR of R on top of Γ, without :math:`X^TX`.

    .. math:: \min_w |Xw - y|^2 + |\Gamma w|^2, \qquad
              \begin{pmatrix} R & Q^Ty \\ \Gamma & 0 \end{pmatrix} = Q' \begin{pmatrix} S & z \\ 0 & e \end{pmatrix},
              \qquad Sw = z,\quad C = S^{-1}

    Args:
        factor: Triangular factor of the weighted rows.
        prior: Γ as a number γ (for γ²|w|²), a diagonal (n,) or a matrix (m, n).
        tolerance: Relative tolerance of the rank; None for 10 n ε, with the machine precision ε.

    Raises:
        FittingError: If data and prior together do not determine all weights.

    Source: Golub and Van Loan, Matrix Computations, § 6.1.
    """
    return _solve(factor, prior_rows(prior, factor), tolerance)


def combine_with_prior(factor: TriangularFactor, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """Return the triangular factor S (n, n) and z (n, k) of the rows [R, Qᵀy] on top of [Γ, 0].

    Args:
        factor: Triangular factor with R and Qᵀy.
        gamma: Γ, (m, n).
    """
    n = factor.n_unknowns
    data_rows = torch.cat([factor.R, factor.Qty], dim=1)
    prior = torch.cat([gamma, gamma.new_zeros(len(gamma), factor.n_targets)], dim=1)
    triangle, _ = triangularise(torch.cat([data_rows, prior]), n)
    return triangle[:, :n], triangle[:, n:]


def _solve(factor: TriangularFactor, gamma: Tensor, tolerance: float | None) -> RidgeSolution:
    S, z = combine_with_prior(factor, gamma)
    conditioning = compute_conditioning(S, tolerance)
    check_full_rank(conditioning, factor.n_rows, has_prior=len(gamma) > 0)
    weights = torch.linalg.solve_triangular(S, z, upper=True)
    eye = torch.eye(len(S), dtype=S.dtype, device=S.device)
    C = torch.linalg.solve_triangular(S, eye, upper=True)
    n_effective = float((factor.R @ C).square().sum())
    misfit = factor.misfit(weights)
    degrees_of_freedom = factor.n_rows - n_effective
    noise = (
        misfit / degrees_of_freedom
        if degrees_of_freedom > 1e-9 * factor.n_rows
        else torch.full_like(misfit, float("nan"))
    )
    return RidgeSolution(weights, C, noise, misfit, n_effective, factor.n_rows, conditioning)


__getattr__ = old_names_of(__name__)
