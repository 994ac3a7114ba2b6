"""Automatic relevance determination: each weight has its own prior precision, and weights without relevance become zero."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.solution import LinearSolution
from atomgraph.fitting.solvers.triangular import TriangularFactor, triangularise
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments

PRECISION_GROWTH = 10.0  # factor per step on the precision of an irrelevant column
INITIAL_NOISE = 1.0  # initial noise variance, relative to the mean square of the targets
MAX_BETA_GROWTH = 1.3  # largest factor per step on β; a larger one would let irrelevant columns explain the noise
# The precision of an irrelevant column grows until γ, the share of the weight that the data determine, is below this value.
MIN_GAMMA = 1e-3


@dataclass(frozen=True)
class ArdSolution(LinearSolution):
    """Solution with few weights that are not zero.

    Attributes:
        relevant_columns: Indices of the columns whose weights are not zero, (m,), ascending.
        alpha: Prior precisions of the weights, (n,); inf for removed columns.
        beta: Inverse noise variance, 1/σ².
        log_evidence: Log marginal likelihood of the weighted rows.
        steps: Number of steps.
        converged: False if the search ended at ``max_steps``.
    """

    relevant_columns: Tensor
    alpha: Tensor
    beta: float
    log_evidence: float
    steps: int
    converged: bool
    kept = OldAttribute("relevant_columns")


@dataclass
class _Posterior:
    """Posterior of the weights of the m remaining columns under precisions α (m,) and β.

    Attributes:
        mean: Weights, (m, k).
        C: Inverse square root of the posterior precision, Σ = CCᵀ, (m, m).
        gamma: Share of each weight that is determined by the data rather than the prior, γ, (m,).
        misfit: |Xw − y|² of each target, (k,).
        log_evidence: Log marginal likelihood.
    """

    mean: Tensor
    C: Tensor
    gamma: Tensor
    misfit: Tensor
    log_evidence: float


@with_old_arguments
@torch.no_grad()
def ard(
    factor: TriangularFactor, significance: float = 4.0, tolerance: float = 1e-5, max_steps: int = 2000
) -> ArdSolution:
    r"""Return the weights for the precisions of greatest marginal likelihood, by MacKay's fixed point with pruning.

    .. math:: p(w_j) = N(0, \alpha_j^{-1}),\quad \gamma_j = 1 - \alpha_j\Sigma_{jj},\quad
              \alpha_j \leftarrow \gamma_j/\mu_j^2,\quad \beta \leftarrow (N - \textstyle\sum\gamma)/|X\mu - y|^2

    A column is irrelevant while :math:`\mu_j^2/(\Sigma_{jj}\gamma_j)` is at most ``significance``. This ratio is the square
    of the weight in units of its standard error, given the other columns. The precision of an irrelevant column grows
    tenfold per step until γ is below 10⁻³. The column is then removed if β changes by less than 1 % per step. With a
    significance of 1, the evidence alone decides. About one third of columns of pure noise then keep a small weight, and
    with fewer rows than columns they explain the noise. A significance of 4 (two standard errors) avoids both.

    The search starts from a large noise and ends at a local maximum. Units of columns have no effect.

    Args:
        factor: Triangular factor of the weighted rows.
        significance: Largest (weight / standard error)² of an irrelevant weight.
        tolerance: Largest change of log α and log β at convergence.
        max_steps: Largest number of steps.

    Raises:
        FittingError: If all targets are zero, or a setting is out of range.

    Source: Tipping, J. Mach. Learn. Res. 1, 211 (2001); the criterion: Faul and Tipping, NIPS 2001.
    """
    if not (significance > 0 and tolerance > 0 and max_steps >= 1):
        raise FittingError("ARD needs a positive significance, a positive tolerance and at least one step")
    norms = torch.linalg.vector_norm(factor.R, dim=0)
    columns = torch.nonzero(norms > 0)[:, 0]
    target_square, n_values = float(factor.target_square.sum()), factor.n_rows * factor.n_targets
    if not (target_square > 0 and len(columns) > 0):
        raise FittingError("all targets or all rows are zero, so no column can be relevant; check the labels")
    misfit_floor = torch.finfo(norms.dtype).eps ** 2 * target_square  # rounding error of |Xw − y|²
    alpha = torch.full_like(norms[columns], len(columns) * factor.n_targets / target_square)
    beta = n_values / (INITIAL_NOISE * target_square)
    problem = _scale_columns(factor, columns, norms)
    posterior = _posterior(problem, alpha, beta)
    steps, converged = 0, False
    while steps < max_steps and not converged:
        steps += 1
        gamma, mean_square = posterior.gamma, posterior.mean.square().mean(1)
        variance = posterior.C.square().sum(1)
        is_irrelevant = mean_square <= significance * variance * gamma
        is_undetermined = gamma < MIN_GAMMA
        degrees_of_freedom = max(n_values - factor.n_targets * float(gamma.sum()), 1e-9 * n_values)
        next_beta = min(degrees_of_freedom / max(float(posterior.misfit.sum()), misfit_floor), MAX_BETA_GROWTH * beta)
        beta_converged = abs(math.log(next_beta / beta)) < 0.01
        is_removed = is_irrelevant & is_undetermined & beta_converged
        raised_alpha = torch.where(is_undetermined, alpha, PRECISION_GROWTH * alpha)
        next_alpha = torch.where(is_irrelevant, raised_alpha, gamma / torch.where(is_irrelevant, 1.0, mean_square))
        alpha_change = float((next_alpha / alpha).log().abs().max()) if len(alpha) else 0.0
        converged = max(alpha_change, abs(math.log(next_beta / beta))) < tolerance and not bool(is_irrelevant.any())
        alpha, beta = next_alpha[~is_removed], next_beta
        if bool(is_removed.any()):
            columns = columns[~is_removed]
            problem = _scale_columns(factor, columns, norms)
        posterior = _posterior(problem, alpha, beta)
    return _solution(factor, columns, norms, alpha, beta, posterior, steps, converged)


def _scale_columns(factor: TriangularFactor, columns: Tensor, norms: Tensor) -> TriangularFactor:
    """Return the problem of some columns, each scaled to length one."""
    part = factor.select_columns(columns)
    return TriangularFactor(part.R / norms[columns], part.Qty, part.residual_square, part.n_rows)


def _posterior(problem: TriangularFactor, alpha: Tensor, beta: float) -> _Posterior:
    """Return the posterior, by QR of √β R on top of √α; the factor S fulfils SᵀS = Σ⁻¹."""
    m, k = problem.n_unknowns, problem.n_targets
    data = math.sqrt(beta) * torch.cat([problem.R, problem.Qty], dim=1)
    prior = torch.cat([torch.diag(alpha.sqrt()), alpha.new_zeros(m, k)], dim=1)
    rows, _ = triangularise(torch.cat([data, prior]), m)
    S = rows[:, :m]
    C = torch.linalg.solve_triangular(S, torch.eye(m, dtype=S.dtype, device=S.device), upper=True)
    mean = C @ rows[:, m:]
    misfit = problem.misfit(mean)
    gamma = (1.0 - alpha * C.square().sum(1)).clamp(1e-12, 1.0)
    # log |α| − log |Σ⁻¹| + N log(β / 2π)
    log_normalisation = float(alpha.log().sum() - 2 * S.diagonal().log().sum()) + problem.n_rows * math.log(
        beta / (2 * math.pi)
    )
    penalised_misfit = beta * float(misfit.sum()) + float((alpha[:, None] * mean.square()).sum())
    return _Posterior(mean, C, gamma, misfit, 0.5 * (k * log_normalisation - penalised_misfit))


def _solution(
    factor: TriangularFactor,
    columns: Tensor,
    norms: Tensor,
    alpha: Tensor,
    beta: float,
    posterior: _Posterior,
    steps: int,
    converged: bool,
) -> ArdSolution:
    """Return the solution in the units of the columns before scaling."""
    n, k = factor.n_unknowns, factor.n_targets
    weights, C = norms.new_zeros(n, k), norms.new_zeros(n, len(columns))
    weights[columns] = posterior.mean / norms[columns, None]
    # the covariance is C Cᵀ/β in a LinearSolution
    C[columns] = math.sqrt(beta) * posterior.C / norms[columns, None]
    precisions = torch.full_like(norms, float("inf"))
    precisions[columns] = alpha * norms[columns].square()
    return ArdSolution(
        weights=weights,
        covariance_factor=C,
        noise_square=norms.new_full((k,), 1.0 / beta),
        residual_square=posterior.misfit,
        n_effective=float(posterior.gamma.sum()),
        n_rows=factor.n_rows,
        relevant_columns=columns,
        alpha=precisions,
        beta=beta,
        log_evidence=posterior.log_evidence,
        steps=steps,
        converged=converged,
    )


__getattr__ = old_names_of(__name__)
