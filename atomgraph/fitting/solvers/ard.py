"""Automatic relevance determination: every weight has a prior of its own, and many turn out to be zero."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.solution import Fit
from atomgraph.fitting.solvers.triangular import Reduced, triangularise

FADING = 10.0  # by how much an irrelevant column's precision grows in one step
LOUD = 1.0  # the noise at first, as a share of the targets' mean square
QUIETING = 1.3  # by how much β may grow in one step: columns fade first, else many of them explain the noise away
GONE = 1e-3  # an irrelevant column stops fading, and is dropped once β is settled, when its γ is below


@dataclass(frozen=True)
class ArdFit(Fit):
    """A fit with few weights. kept: indices (m,), rising, of the columns whose weights are not zero.

    Attributes:
        alpha: Precisions (n,), inf for the dropped.
        beta: 1/σ².
        converged: False where ``max_steps`` ended the search.
    """

    kept: Tensor
    alpha: Tensor
    beta: float
    log_evidence: float
    steps: int
    converged: bool


@dataclass
class _State:
    """Mean (m, k), factor C (m, m), γ (m,) and |Xw − y|² of the kept columns under precisions α (m,) and β."""

    mean: Tensor
    C: Tensor
    gamma: Tensor
    misfit: Tensor
    log_evidence: float


@torch.no_grad()
def ard(reduced: Reduced, significance: float = 4.0, tolerance: float = 1e-5, max_steps: int = 2000) -> ArdFit:
    r"""Weights under the precisions of greatest marginal likelihood, by MacKay's fixed point with pruning.

    .. math:: p(w_j) = N(0, \alpha_j^{-1}),\quad \gamma_j = 1 - \alpha_j\Sigma_{jj},\quad
              \alpha_j \leftarrow \gamma_j/\mu_j^2,\quad \beta \leftarrow (N - \textstyle\sum\gamma)/|X\mu - y|^2

    A column is on its way out while :math:`q_j^2/s_j = \mu_j^2/(\Sigma_{jj}\gamma_j)`, the square of its weight in standard
    errors, given the other columns, is at most ``significance``: its precision grows tenfold a step, and it is dropped when
    β is settled and it still is. At 1 this is where the evidence alone sends a precision to infinity, which leaves about one
    in three columns of pure noise with a small weight, and explains the noise away where there are fewer rows than columns;
    4, two standard errors, does neither. The search starts from loud noise; its end is a maximum, perhaps of several.
    The search ends when no column is on its way out and log α and log β change by less than ``tolerance``.
    Columns are scaled to length one inside, so their units do not matter. k targets share precisions and noise.

    Raises:
        FittingError: For targets that are all zero and settings out of range.

    Source: Tipping, J. Mach. Learn. Res. 1, 211 (2001); the criterion: Faul and Tipping, NIPS 2001.
    """
    if not (significance > 0 and tolerance > 0 and max_steps >= 1):
        raise FittingError("ARD wants a positive significance, a positive tolerance and at least one step")
    norms = torch.linalg.vector_norm(reduced.R, dim=0)
    kept = torch.nonzero(norms > 0)[:, 0]
    square, total = float(reduced.target_square.sum()), reduced.n_rows * reduced.n_targets
    if not (square > 0 and len(kept) > 0):
        raise FittingError("all targets or all rows are zero, so no column can be relevant; look at the labels")
    floor = torch.finfo(norms.dtype).eps ** 2 * square
    alpha, beta = torch.full_like(norms[kept], len(kept) * reduced.n_targets / square), total / (LOUD * square)
    problem = _columns(reduced, kept, norms)
    state = _posterior(problem, alpha, beta)
    steps, converged = 0, False
    while steps < max_steps and not converged:
        steps += 1
        gamma, power = state.gamma, state.mean.square().mean(1)
        sigma = state.C.square().sum(1)
        fading = power <= significance * sigma * gamma
        faded = gamma < GONE
        free = max(total - reduced.n_targets * float(gamma.sum()), 1e-9 * total)
        new_beta = min(free / max(float(state.misfit.sum()), floor), QUIETING * beta)
        settled = abs(math.log(new_beta / beta)) < 0.01
        gone = fading & faded & settled
        new = torch.where(fading, torch.where(faded, alpha, FADING * alpha), gamma / torch.where(fading, 1.0, power))
        change = float((new / alpha).log().abs().max()) if len(alpha) else 0.0
        converged = max(change, abs(math.log(new_beta / beta))) < tolerance and not bool(fading.any())
        alpha, beta = new[~gone], new_beta
        if bool(gone.any()):
            kept = kept[~gone]
            problem = _columns(reduced, kept, norms)
        state = _posterior(problem, alpha, beta)
    return _result(reduced, kept, norms, alpha, beta, state, steps, converged)


def _columns(reduced: Reduced, kept: Tensor, norms: Tensor) -> Reduced:
    """The problem of the kept columns, each of length one."""
    part = reduced.columns(kept)
    return Reduced(part.R / norms[kept], part.Qty, part.residual_square, part.n_rows)


def _posterior(problem: Reduced, alpha: Tensor, beta: float) -> _State:
    """The posterior from the QR factor S of √β R stacked on √α, SᵀS = Σ⁻¹."""
    m, k = problem.n_unknowns, problem.n_targets
    root = math.sqrt(beta)
    data = root * torch.cat([problem.R, problem.Qty], dim=1)
    prior = torch.cat([torch.diag(alpha.sqrt()), alpha.new_zeros(m, k)], dim=1)
    factor, _ = triangularise(torch.cat([data, prior]), m)
    S = factor[:, :m]
    C = torch.linalg.solve_triangular(S, torch.eye(m, dtype=S.dtype, device=S.device), upper=True)
    mean = C @ factor[:, m:]
    misfit = problem.misfit(mean)
    gamma = (1.0 - alpha * C.square().sum(1)).clamp(1e-12, 1.0)
    volume = float(alpha.log().sum() - 2 * S.diagonal().log().sum()) + problem.n_rows * math.log(beta / (2 * math.pi))
    square = beta * float(misfit.sum()) + float((alpha[:, None] * mean.square()).sum())
    return _State(mean, C, gamma, misfit, 0.5 * (k * volume - square))


def _result(
    reduced: Reduced,
    kept: Tensor,
    norms: Tensor,
    alpha: Tensor,
    beta: float,
    state: _State,
    steps: int,
    converged: bool,
) -> ArdFit:
    n, k = reduced.n_unknowns, reduced.n_targets
    weights, C = norms.new_zeros(n, k), norms.new_zeros(n, len(kept))
    weights[kept] = state.mean / norms[kept, None]
    C[kept] = math.sqrt(beta) * state.C / norms[kept, None]
    precisions = torch.full_like(norms, float("inf"))
    precisions[kept] = alpha * norms[kept].square()
    return ArdFit(
        weights=weights,
        covariance_factor=C,
        noise_square=norms.new_full((k,), 1.0 / beta),
        residual_square=state.misfit,
        n_effective=float(state.gamma.sum()),
        n_rows=reduced.n_rows,
        kept=kept,
        alpha=precisions,
        beta=beta,
        log_evidence=state.log_evidence,
        steps=steps,
        converged=converged,
    )
