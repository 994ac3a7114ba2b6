"""Closed-form fits: weights from a triangular factor, by least squares with a prior or as a sparse Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from atomgraph.fitting.linear_weights import LinearWeights, ReadoutBlock
from atomgraph.fitting.solvers.ard import ard
from atomgraph.fitting.solvers.conditioning import Conditioning, compute_conditioning
from atomgraph.fitting.solvers.evidence import evidence
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.ridge import least_squares, ridge
from atomgraph.fitting.solvers.smoothness import algebraic_roughness
from atomgraph.fitting.solvers.solution import LinearSolution
from atomgraph.fitting.solvers.sparse_gp import sparse_gp
from atomgraph.fitting.solvers.triangular import TriangularFactor
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments

JITTER = 1e-5  # relative to the mean diagonal of a kernel; from 1e-10 to 1e-5, test errors on Mo and Si data are equal

Solver = Literal["plain", "ridge", "evidence", "ard"]
PriorKind = Literal["isotropic", "smoothness"]


@runtime_checkable
class HasDegrees(Protocol):
    """Featurizer whose features have degrees, which measure their roughness."""

    def degrees(self) -> Tensor:
        """Return the degrees, (n_elements, n_features, n_degrees)."""


@runtime_checkable
class HasPrior(Protocol):
    """Readout or featurizer that defines the prior of its weights in a Gaussian process.

    An optional attribute ``jitter_factor`` (default 1) multiplies the jitter of the fit for these weights.
    """

    def prior(self) -> Tensor:
        """Return the inverse covariance of the weights, (n_unknowns, n_unknowns)."""


@dataclass(frozen=True)
class ClosedFormResult:
    """Result of a closed-form fit.

    Attributes:
        solution: Weights and their covariance.
        conditioning: Conditioning of the rows.
        facts: Values for ``metrics.json`` and the report, by name.
    """

    solution: LinearSolution
    conditioning: Conditioning
    facts: dict[str, Any]
    fit = OldAttribute("solution")


@with_old_arguments
def solve_least_squares(
    unknowns: LinearWeights,
    factor: TriangularFactor,
    *,
    solver: Solver = "evidence",
    prior: PriorKind = "isotropic",
    strength: float = 1e-4,
    power: float = 2.0,
    scale_columns: bool = True,
    significance: float = 4.0,
) -> ClosedFormResult:
    r"""Set the weights that minimise :math:`|\Sigma^{-1/2}(Xw - y)|^2 + |\Gamma w|^2` in the model.

    Args:
        unknowns: Linear weights of the model; they are set to the solution.
        factor: Triangular factor of the weighted rows :math:`\Sigma^{-1/2}[X, y]`, with the variances Σ of the labels.
        solver: ``plain`` has no prior. ``ridge`` uses Γ with the argument ``strength``. ``evidence`` determines noise and
            strength from the data. ``ard`` determines a strength for each weight and removes irrelevant weights.
        prior: Γ without its strength: ``isotropic``, or ``smoothness``, which is larger for rougher functions,
            :math:`1 + \sum d^{p}` over the degrees d of a feature.
        strength: Factor on Γ for ``ridge``; it is multiplied by the square root of the number of rows, because :math:`|X|^2`
            grows with the number of rows.
        power: Exponent p of the smoothness prior.
        scale_columns: Multiply Γ by the root mean square of each column of the weighted X, so that the result is independent of
            the units of the features.
        significance: Smallest (weight / standard error)² of a relevant weight, for ``ard``.

    Raises:
        FittingError: If weights are undetermined, or the features of a smoothness prior have no degrees.
    """
    gamma = _gamma(unknowns, factor, prior, power, scale_columns)
    conditioning = compute_conditioning(factor.R)
    solution: LinearSolution
    facts: dict[str, Any] = {}
    if solver == "plain":
        solution = least_squares(factor)
    elif solver == "ridge":
        solution = ridge(factor, strength * factor.n_rows**0.5 * gamma)
        facts["strength"] = strength
    elif solver == "evidence":
        result = evidence(factor, gamma)
        facts = {"alpha": result.alpha, "beta": result.beta, "log_evidence": result.log_evidence}
        facts["strength"] = (result.alpha / result.beta / factor.n_rows) ** 0.5
        if result.at_bound is not None:
            facts["at_bound"] = result.at_bound
        solution = result
    else:
        ard_solution = ard(_divide_columns(factor, gamma), significance=significance)
        n_relevant = len(ard_solution.relevant_columns)
        facts = {"kept": n_relevant, "log_evidence": ard_solution.log_evidence, "converged": ard_solution.converged}
        solution = LinearSolution(
            ard_solution.weights / gamma[:, None],
            ard_solution.covariance_factor / gamma[:, None],
            ard_solution.noise_square,
            ard_solution.residual_square,
            ard_solution.n_effective,
            ard_solution.n_rows,
        )
    unknowns.assign(solution.weights[:, 0])
    return ClosedFormResult(solution, conditioning, _facts(solution, conditioning, factor) | facts)


@with_old_arguments
def solve_sparse_gp(unknowns: LinearWeights, factor: TriangularFactor, *, jitter: float = JITTER) -> ClosedFormResult:
    r"""Set the weights that minimise :math:`|\Sigma^{-1/2}(Kw - y)|^2 + w^T K_{mm} w` in the model.

    This is a sparse Gaussian process. Readouts and featurizers with a method ``prior`` define their part of :math:`K_{mm}`;
    the weights of other readouts have a prior variance of 1.

    Args:
        unknowns: Linear weights of the model; they are set to the solution.
        factor: Triangular factor of the weighted rows :math:`\Sigma^{-1/2}[K, y]`, with the variances Σ of the labels.
        jitter: Number added to the diagonal of each part of :math:`K_{mm}`, relative to the mean of the diagonal, times the
            ``jitter_factor`` of the part (10 for kernels of pairs and triples). The jitter j bounds the weights,
            :math:`|w|^2 \le P/j` with the penalty :math:`P = w^T (K_{mm} + j) w`. Without jitter, directions of small prior
            variance would have large weights that cancel.

    Raises:
        FittingError: If weights are undetermined.
    """
    parts, is_used = [], torch.zeros(factor.n_unknowns, dtype=torch.bool, device=factor.R.device)
    for block in unknowns:
        matrix, jitter_factor = _prior(block)
        part = matrix.to(factor.R)
        is_unused = part.diagonal() == 0  # zero rows for an element with fewer points than the largest number
        is_used[block.columns] = ~is_unused
        mean_diagonal = (
            part.diagonal()[~is_unused].mean() if bool((~is_unused).any()) else torch.ones((), dtype=part.dtype)
        )
        parts.append(part + torch.diag(torch.where(is_unused, mean_diagonal, jitter_factor * jitter * mean_diagonal)))
    solution = sparse_gp(factor, torch.block_diag(*parts), jitter=0.0)
    conditioning = compute_conditioning(factor.R[:, is_used])
    unknowns.assign(solution.weights[:, 0])
    facts = {"log_evidence": solution.log_evidence, "jitter": jitter, "unknowns": int(is_used.sum())}
    return ClosedFormResult(solution, conditioning, _facts(solution, conditioning, factor) | facts)


def _gamma(
    unknowns: LinearWeights, factor: TriangularFactor, prior: PriorKind, power: float, scale_columns: bool
) -> Tensor:
    """Return the diagonal of Γ without its strength, (n,)."""
    gamma = torch.ones(unknowns.n, dtype=torch.float64, device=factor.R.device)
    if prior == "smoothness":
        for block in unknowns:
            gamma[block.columns] = _roughness(block, power).to(gamma)
    if scale_columns:
        rms = torch.linalg.vector_norm(factor.R, dim=0) / factor.n_rows**0.5
        gamma = gamma * torch.where(rms > 0, rms, 1.0)
    return gamma


def _roughness(block: ReadoutBlock, power: float) -> Tensor:
    """Return the roughness of the basis functions of a readout, (n_unknowns,)."""
    featurizer = block.branch.featurizer
    if not isinstance(featurizer, HasDegrees) or block.branch.layers:
        raise FittingError(
            f"a smoothness prior needs a featurizer with degrees, such as ACE, but {type(featurizer).__name__} has none; "
            "use prior: isotropic"
        )
    table = torch.as_tensor(featurizer.degrees(), dtype=torch.float64)  # (n_elements, n_features, n_degrees)
    return algebraic_roughness(*table.flatten(0, 1).unbind(1), power=power)


def _divide_columns(factor: TriangularFactor, gamma: Tensor) -> TriangularFactor:
    """Return the problem in the variables Γw, for a diagonal Γ, (n,)."""
    return TriangularFactor(factor.R / gamma, factor.Qty, factor.residual_square, factor.n_rows)


def _prior(block: ReadoutBlock) -> tuple[Tensor, float]:
    """Return the inverse prior covariance of a readout's weights, (n_unknowns, n_unknowns), and its jitter factor."""
    for part in (block.readout, block.branch.featurizer):
        if isinstance(part, HasPrior):
            return part.prior(), getattr(part, "jitter_factor", 1.0)
    return torch.eye(block.linear_readout.n_unknowns, dtype=torch.float64), 1.0


def _facts(solution: LinearSolution, conditioning: Conditioning, factor: TriangularFactor) -> dict[str, Any]:
    """Return the values for the report that all solvers have, by name."""
    return {
        "unknowns": factor.n_unknowns,
        "rows": factor.n_rows,
        "effective_parameters": round(solution.n_effective, 2),
        "rank": conditioning.rank,
        "condition_number": conditioning.condition_number,
        "rms_of_weighted_residuals": float((solution.residual_square[0] / factor.n_rows).sqrt()),
    }


__getattr__ = old_names_of(__name__)
