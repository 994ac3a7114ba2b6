"""Bayesian ridge regression: noise and prior are what makes the data most probable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.prior import Prior, in_units_of
from atomgraph.fitting.solvers.solution import Fit
from atomgraph.fitting.solvers.triangular import Reduced

GRID, ROUNDS = 65, 12  # each round narrows log λ to two of 64 intervals: far below rounding in the end


@dataclass(frozen=True)
class EvidenceFit(Fit):
    """A fit and its hyperparameters: alpha, the precision of Γw; beta = 1/σ² of a row of weight 1; the log evidence.

    Attributes:
        at_bound: ``no noise`` where the evidence grows as the noise vanishes, ``no signal`` where it grows as the
            weights do.
    """

    alpha: float
    beta: float
    log_evidence: float
    at_bound: Literal["no noise", "no signal"] | None


@torch.no_grad()
def evidence(reduced: Reduced, prior: Prior = 1.0) -> EvidenceFit:
    r"""Weights under the α and β of greatest marginal likelihood, found exactly from one SVD of RΓ⁻¹.

    .. math:: \log p(y|\alpha,\beta) = \log N(y \,|\, 0,\ \beta^{-1} + \alpha^{-1} X(\Gamma^T\Gamma)^{-1}X^T)

    For each ratio λ = α/β the best σ² = 1/β is known in closed form, so one search over log λ remains: a grid over all that
    the SVD can tell apart, then finer grids. It cannot end in a worse maximum, as fixed points may. k targets share α and β.
    The evidence is that of the weighted rows; add Σ log weight for that of the observations.

    Args:
        prior: Γ, a number, a diagonal (n,) or an upper triangle (n, n), invertible.

    Raises:
        FittingError: For targets that are all zero and a Γ that is singular.

    Source: MacKay, Neural Comput. 4, 415 (1992); Bishop, Pattern Recognition and Machine Learning, § 3.5.
    """
    if not bool((reduced.target_square.sum() > 0) & (reduced.R.abs().sum() > 0)):
        raise FittingError("all targets or all rows are zero, so no noise or prior can be found; look at the labels")
    scaled, inverse = in_units_of(prior, reduced)
    U, s, Vh = torch.linalg.svd(scaled.R)
    rounding = len(s) * torch.finfo(s.dtype).eps * s[0]
    s = torch.where(s > rounding, s, 0.0)
    profile = _Profile(s.square(), (U.T @ scaled.Qty).square().sum(1), scaled)
    low, high = 2 * math.log(float(rounding)), 2 * math.log(float(s[0])) + 32.0
    log_lambda, bounds = _maximise(profile, low, high), (low, high)

    lam = math.exp(log_lambda)
    noise = float(profile.noise_square(torch.tensor(lam, dtype=s.dtype, device=s.device)))
    denominator = s.square() + lam
    weights = inverse @ (Vh.T @ ((s / denominator)[:, None] * (U.T @ scaled.Qty)))
    step = (high - low) / (GRID - 1)
    at_bound: Literal["no noise", "no signal"] | None = None
    if log_lambda - bounds[0] < step:
        at_bound = "no noise"
    elif bounds[1] - log_lambda < step:
        at_bound = "no signal"
    return EvidenceFit(
        weights=weights,
        covariance_factor=(inverse @ Vh.T) / denominator.sqrt(),
        noise_square=s.new_full((reduced.n_targets,), noise),
        residual_square=reduced.misfit(weights),
        n_effective=float((s.square() / denominator).sum()),
        n_rows=reduced.n_rows,
        alpha=lam / noise,
        beta=1.0 / noise,
        log_evidence=float(profile(s.new_tensor([log_lambda]))[0]),
        at_bound=at_bound,
    )


class _Profile:
    """Log evidence as a function of log λ at the best σ: squares s² (n,) and projections Σₖ(uᵀQᵀy)² (n,)."""

    def __init__(self, squares: Tensor, projections: Tensor, reduced: Reduced) -> None:
        self.squares, self.projections = squares, projections
        self.residual = reduced.residual_square.sum()
        self.floor = torch.finfo(squares.dtype).eps ** 2 * reduced.target_square.sum()
        self.k, self.total = reduced.n_targets, reduced.n_rows * reduced.n_targets

    def noise_square(self, lam: Tensor) -> Tensor:
        """The best σ² for ratios λ (…)."""
        left = (self.projections * (lam[..., None] / (lam[..., None] + self.squares))).sum(-1)
        return (left + self.residual).clamp_min(self.floor) / self.total

    def __call__(self, log_lambda: Tensor) -> Tensor:
        lam = log_lambda.exp()
        volume = self.k * torch.log1p(self.squares / lam[:, None]).sum(-1)
        return -0.5 * (self.total * (torch.log(2 * math.pi * self.noise_square(lam)) + 1.0) + volume)


def _maximise(function: _Profile, low: float, high: float) -> float:
    best = low
    for _ in range(ROUNDS):
        grid = torch.linspace(low, high, GRID, dtype=function.squares.dtype, device=function.squares.device)
        place = int(function(grid).argmax())
        best, step = float(grid[place]), (high - low) / (GRID - 1)
        low, high = max(low, best - step), min(high, best + step)
        if step < 1e-9:
            break
    return best
