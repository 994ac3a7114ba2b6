"""Bayesian ridge regression: noise and prior strength that maximise the marginal likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.prior import Prior, whiten
from atomgraph.fitting.solvers.solution import LinearSolution
from atomgraph.fitting.solvers.triangular import TriangularFactor
from atomgraph.old_names import old_names_of, with_old_arguments

GRID = 65  # points of each grid over log λ
ROUNDS = 12  # largest number of grids; each one spans two of the 64 intervals of the one before


@dataclass(frozen=True)
class EvidenceSolution(LinearSolution):
    """Solution of Bayesian ridge regression.

    Attributes:
        alpha: Precision of Γw.
        beta: Inverse noise variance of a row of weight 1, 1/σ².
        log_evidence: Log marginal likelihood of the weighted rows.
        at_bound: ``no noise`` if the evidence increases up to vanishing noise, ``no signal`` if it increases up to
            vanishing weights; None for a maximum between the bounds.
    """

    alpha: float
    beta: float
    log_evidence: float
    at_bound: Literal["no noise", "no signal"] | None


@with_old_arguments
@torch.no_grad()
def evidence(factor: TriangularFactor, prior: Prior = 1.0) -> EvidenceSolution:
    r"""Return the weights for the α and β of greatest marginal likelihood, by one SVD of RΓ⁻¹.

    .. math:: \log p(y|\alpha,\beta) = \log N(y \,|\, 0,\ \beta^{-1} + \alpha^{-1} X(\Gamma^T\Gamma)^{-1}X^T)

    For each ratio λ = α/β, the best σ² = 1/β has a closed form. The search over log λ uses a grid over the full range that
    rounding allows, then finer grids. It finds the global maximum on the first grid, unlike fixed-point iterations. All k
    targets share α and β.

    The evidence is that of the weighted rows. The evidence of the rows before weighting is larger by Σ log weight.

    Args:
        factor: Triangular factor of the weighted rows.
        prior: Γ as a number, a diagonal (n,) or an upper triangle (n, n), invertible.

    Raises:
        FittingError: If all targets are zero, or Γ is singular.

    Source: MacKay, Neural Comput. 4, 415 (1992); Bishop, Pattern Recognition and Machine Learning, § 3.5.
    """
    if not bool((factor.target_square.sum() > 0) & (factor.R.abs().sum() > 0)):
        raise FittingError("all targets or all rows are zero, so noise and prior are undetermined; check the labels")
    whitened, inverse_gamma = whiten(prior, factor)
    U, s, Vh = torch.linalg.svd(whitened.R)
    rounding = len(s) * torch.finfo(s.dtype).eps * s[0]
    s = torch.where(s > rounding, s, 0.0)
    log_evidence = _LogEvidence(s.square(), (U.T @ whitened.Qty).square().sum(1), whitened)
    # range of log λ: from the square of rounding errors to e³² times the largest s²
    low, high = 2 * math.log(float(rounding)), 2 * math.log(float(s[0])) + 32.0
    log_lambda = _maximise(log_evidence, low, high)

    ratio = math.exp(log_lambda)
    noise = float(log_evidence.noise_square(torch.tensor(ratio, dtype=s.dtype, device=s.device)))
    denominator = s.square() + ratio
    weights = inverse_gamma @ (Vh.T @ ((s / denominator)[:, None] * (U.T @ whitened.Qty)))
    step = (high - low) / (GRID - 1)
    at_bound: Literal["no noise", "no signal"] | None = None
    if log_lambda - low < step:
        at_bound = "no noise"
    elif high - log_lambda < step:
        at_bound = "no signal"
    return EvidenceSolution(
        weights=weights,
        covariance_factor=(inverse_gamma @ Vh.T) / denominator.sqrt(),
        noise_square=s.new_full((factor.n_targets,), noise),
        residual_square=factor.misfit(weights),
        n_effective=float((s.square() / denominator).sum()),
        n_rows=factor.n_rows,
        alpha=ratio / noise,
        beta=1.0 / noise,
        log_evidence=float(log_evidence(s.new_tensor([log_lambda]))[0]),
        at_bound=at_bound,
    )


class _LogEvidence:
    """Log evidence as a function of log λ, with the best σ² for each λ.

    Args:
        squares: Squared singular values s², (n,).
        projections: Squares of the projected targets, summed over targets, Σₖ(uᵀQᵀy)², (n,).
        factor: Triangular factor of the problem.
    """

    def __init__(self, squares: Tensor, projections: Tensor, factor: TriangularFactor) -> None:
        self.squares, self.projections = squares, projections
        self.residual = factor.residual_square.sum()
        self.floor = torch.finfo(squares.dtype).eps ** 2 * factor.target_square.sum()
        self.n_targets, self.n_values = factor.n_targets, factor.n_rows * factor.n_targets  # n_values: numbers in y

    def noise_square(self, ratio: Tensor) -> Tensor:
        """Return the best σ² for ratios λ of any shape; σ² has the shape of λ."""
        shrinkage = ratio[..., None] / (ratio[..., None] + self.squares)
        return ((self.projections * shrinkage).sum(-1) + self.residual).clamp_min(self.floor) / self.n_values

    def __call__(self, log_lambda: Tensor) -> Tensor:
        """Return the log evidence, (n_lambda,), for values of log λ, (n_lambda,)."""
        ratio = log_lambda.exp()
        log_determinant = self.n_targets * torch.log1p(self.squares / ratio[:, None]).sum(-1)
        return -0.5 * (self.n_values * (torch.log(2 * math.pi * self.noise_square(ratio)) + 1.0) + log_determinant)


def _maximise(function: _LogEvidence, low: float, high: float) -> float:
    """Return the log λ between two bounds at which the evidence is greatest."""
    best = low
    for _ in range(ROUNDS):
        grid = torch.linspace(low, high, GRID, dtype=function.squares.dtype, device=function.squares.device)
        best, step = float(grid[int(function(grid).argmax())]), (high - low) / (GRID - 1)
        low, high = max(low, best - step), min(high, best + step)
        if step < 1e-9:
            break
    return best


__getattr__ = old_names_of(__name__)
