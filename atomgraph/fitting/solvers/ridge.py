"""Least squares and ridge regression with any Gaussian prior, by QR alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.conditioning import Conditioning, conditioning_of, require_full_rank
from atomgraph.fitting.solvers.prior import Prior, prior_rows
from atomgraph.fitting.solvers.solution import Fit
from atomgraph.fitting.solvers.triangular import Reduced, triangularise


@dataclass(frozen=True)
class RidgeFit(Fit):
    """A fit, and the conditioning of the factor of [R; Γ] it was solved with."""

    conditioning: Conditioning


@torch.no_grad()
def least_squares(reduced: Reduced, tolerance: float | None = None) -> RidgeFit:
    """The w of least |Xw − y|².

    Raises:
        FittingError: With the rank and the ways out, where the data do not determine it.
    """
    return _solve(reduced, reduced.R.new_zeros(0, reduced.n_unknowns), tolerance)


@torch.no_grad()
def ridge(reduced: Reduced, prior: Prior, tolerance: float | None = None) -> RidgeFit:
    r"""The w of least penalised square, from the QR factor S of R stacked on Γ; :math:`X^TX` is never formed.

    .. math:: \min_w |Xw - y|^2 + |\Gamma w|^2, \qquad
              \begin{pmatrix} R & Q^Ty \\ \Gamma & 0 \end{pmatrix} = Q' \begin{pmatrix} S & z \\ 0 & e \end{pmatrix},
              \qquad Sw = z,\quad C = S^{-1}

    Args:
        prior: Γ, a number γ (for γ²|w|²), a diagonal (n,) or a matrix (m, n).
        tolerance: Of the rank, 10 n ε unless given. σ² is |Xw − y|²/(N − n_effective).

    Raises:
        FittingError: Where data and prior together leave a weight undetermined.

    Source: Golub and Van Loan, Matrix Computations, § 6.1.
    """
    return _solve(reduced, prior_rows(prior, reduced), tolerance)


def stacked(reduced: Reduced, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """S (n, n) and z (n, k) of R stacked on Γ (m, n)."""
    n = reduced.n_unknowns
    below = torch.cat([gamma, gamma.new_zeros(len(gamma), reduced.n_targets)], dim=1)
    factor, _ = triangularise(torch.cat([torch.cat([reduced.R, reduced.Qty], dim=1), below]), n)
    return factor[:, :n], factor[:, n:]


def _solve(reduced: Reduced, gamma: Tensor, tolerance: float | None) -> RidgeFit:
    S, z = stacked(reduced, gamma)
    conditioning = conditioning_of(S, tolerance)
    require_full_rank(conditioning, reduced.n_rows, with_prior=len(gamma) > 0)
    weights = torch.linalg.solve_triangular(S, z, upper=True)
    eye = torch.eye(len(S), dtype=S.dtype, device=S.device)
    C = torch.linalg.solve_triangular(S, eye, upper=True)
    n_effective = float((reduced.R @ C).square().sum())
    misfit = reduced.misfit(weights)
    free = reduced.n_rows - n_effective
    noise = misfit / free if free > 1e-9 * reduced.n_rows else torch.full_like(misfit, float("nan"))
    return RidgeFit(weights, C, noise, misfit, n_effective, reduced.n_rows, conditioning)
