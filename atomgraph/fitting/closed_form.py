"""Weights from the triangular factor of a fit: least squares with a prior, or a sparse Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from atomgraph.fitting.linear_weights import Block, LinearWeights
from atomgraph.fitting.solvers.ard import ard
from atomgraph.fitting.solvers.conditioning import Conditioning, conditioning_of
from atomgraph.fitting.solvers.evidence import evidence
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.ridge import least_squares, ridge
from atomgraph.fitting.solvers.smoothness import algebraic_roughness
from atomgraph.fitting.solvers.solution import Fit
from atomgraph.fitting.solvers.sparse_gp import sparse_gp
from atomgraph.fitting.solvers.triangular import Reduced

JITTER = 1e-5  # relative to the mean diagonal of a kernel; 1e-10 to 1e-5 have equal errors on splits of Mo and Si

Solver = Literal["plain", "ridge", "evidence", "ard"]
PriorKind = Literal["isotropic", "smoothness"]


@runtime_checkable
class HasDegrees(Protocol):
    """A featurizer with a degree, which measures roughness, for each feature."""

    def degrees(self) -> Tensor: ...


@runtime_checkable
class HasPrior(Protocol):
    """A part with the inverse covariance of its weights in a Gaussian process."""

    def prior(self) -> Tensor: ...


@dataclass(frozen=True)
class Solution:
    """The fit, the conditioning of the rows, and facts for the report."""

    fit: Fit
    conditioning: Conditioning
    facts: dict[str, Any]


def solve_least_squares(
    unknowns: LinearWeights,
    reduced: Reduced,
    *,
    solver: Solver = "evidence",
    prior: PriorKind = "isotropic",
    strength: float = 1e-4,
    power: float = 2.0,
    scaled: bool = True,
    significance: float = 4.0,
) -> Solution:
    r"""Weights that minimise :math:`|\Sigma^{-1/2}(Xw - y)|^2 + |\Gamma w|^2`, set in the model.

    Args:
        unknowns: The weights.
        reduced: The triangular factor of the rows.
        solver: ``plain`` has no prior; ``ridge`` takes Γ with the given strength; ``evidence`` determines noise and
            strength; ``ard`` determines a strength for each weight and removes weights that the data do not need.
        prior: ``isotropic``, or ``smoothness``, larger for rougher functions: :math:`1 + \sum d^{p}` over the degrees d
            of features, with p the ``power``.
        strength: Of ``ridge``.
        scaled: Γ in units of each column's root mean square.
        significance: Of ``ard``: smallest square of a weight over that of its standard error.

    Raises:
        FittingError: If weights are undetermined, or for a smoothness prior with features without degrees.
    """
    gamma = _gamma(unknowns, reduced, prior, power, scaled)
    conditioning = conditioning_of(reduced.R)
    fit: Fit
    facts: dict[str, Any] = {}
    if solver == "plain":
        fit = least_squares(reduced)
    elif solver == "ridge":
        fit = ridge(reduced, strength * reduced.n_rows**0.5 * gamma)
        facts["strength"] = strength
    elif solver == "evidence":
        result = evidence(reduced, gamma)
        facts = {"alpha": result.alpha, "beta": result.beta, "log_evidence": result.log_evidence}
        facts["strength"] = (result.alpha / result.beta / reduced.n_rows) ** 0.5
        if result.at_bound is not None:
            facts["at_bound"] = result.at_bound
        fit = result
    else:
        relevant = ard(_in_units(reduced, gamma), significance=significance)
        kept = relevant.kept
        facts = {"kept": len(kept), "log_evidence": relevant.log_evidence, "converged": relevant.converged}
        fit = Fit(
            relevant.weights / gamma[:, None],
            relevant.covariance_factor / gamma[:, None],
            relevant.noise_square,
            relevant.residual_square,
            relevant.n_effective,
            relevant.n_rows,
        )
    unknowns.assign(fit.weights[:, 0])
    return Solution(fit, conditioning, _facts(fit, conditioning, reduced) | facts)


def solve_sparse_gp(unknowns: LinearWeights, reduced: Reduced, *, jitter: float = JITTER) -> Solution:
    r"""Weights of a sparse Gaussian process, :math:`|\Sigma^{-1/2}(Kw - y)|^2 + w^T K_{mm} w`.

    Readouts or featurizers with a ``prior`` give their part of :math:`K_{mm}`; other readouts have weights of variance 1.

    Args:
        unknowns: The weights.
        reduced: The triangular factor of the rows.
        jitter: Added to the diagonal of each part of :math:`K_{mm}`, relative to its mean. It bounds the weights,
            :math:`|w|^2 \le P/j` with P the penalty: otherwise, directions of small prior variance have large weights
            that cancel.
    """
    parts, used = [], torch.zeros(reduced.n_unknowns, dtype=torch.bool, device=reduced.R.device)
    for block in unknowns:
        part = _prior_of(block).to(reduced.R)
        empty = part.diagonal() == 0  # unused points, of elements with fewer points
        used[block.columns] = ~empty
        size = part.diagonal()[~empty].mean() if bool((~empty).any()) else torch.ones((), dtype=part.dtype)
        parts.append(part + torch.diag(torch.where(empty, size, jitter * size)))
    fit = sparse_gp(reduced, torch.block_diag(*parts), jitter=0.0)
    conditioning = conditioning_of(reduced.R[:, used])
    unknowns.assign(fit.weights[:, 0])
    facts = {"log_evidence": fit.log_evidence, "jitter": jitter, "unknowns": int(used.sum())}
    return Solution(fit, conditioning, _facts(fit, conditioning, reduced) | facts)


def _gamma(unknowns: LinearWeights, reduced: Reduced, prior: PriorKind, power: float, scaled: bool) -> Tensor:
    """The diagonal of Γ before its strength, (n,)."""
    gamma = torch.ones(unknowns.n, dtype=torch.float64, device=reduced.R.device)
    if prior == "smoothness":
        for block in unknowns:
            gamma[block.columns] = _roughness(block, power).to(gamma)
    if scaled:
        size = torch.linalg.vector_norm(reduced.R, dim=0) / reduced.n_rows**0.5
        gamma = gamma * torch.where(size > 0, size, 1.0)
    return gamma


def _roughness(block: Block, power: float) -> Tensor:
    featurizer = block.branch.featurizer
    if not isinstance(featurizer, HasDegrees) or block.branch.layers:
        raise FittingError(
            f"a smoothness prior needs features with degrees, as ACE has them, but {type(featurizer).__name__} has none; "
            "use prior: isotropic"
        )
    table = torch.as_tensor(featurizer.degrees(), dtype=torch.float64)  # (n_elements, n_features, n_degrees)
    return algebraic_roughness(*table.flatten(0, 1).unbind(1), power=power)


def _in_units(reduced: Reduced, gamma: Tensor) -> Reduced:
    return Reduced(reduced.R / gamma, reduced.Qty, reduced.residual_square, reduced.n_rows)


def _prior_of(block: Block) -> Tensor:
    for part in (block.readout, block.branch.featurizer):
        if isinstance(part, HasPrior):
            result: Tensor = part.prior()
            return result
    return torch.eye(block.solvable.n_unknowns, dtype=torch.float64)


def _facts(fit: Fit, conditioning: Conditioning, reduced: Reduced) -> dict[str, Any]:
    return {
        "unknowns": reduced.n_unknowns,
        "rows": reduced.n_rows,
        "effective_parameters": round(fit.n_effective, 2),
        "rank": conditioning.rank,
        "condition_number": conditioning.condition_number,
        "rms_of_weighted_residuals": float((fit.residual_square[0] / reduced.n_rows).sqrt()),
    }
