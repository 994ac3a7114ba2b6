"""Gauss-Newton: a sequence of linear problems, each solved in closed form around the weights of the last step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.evaluator import SMALL_BUDGET
from atomgraph.fitting.jacobian import ResidualJacobian
from atomgraph.fitting.noise import Noise
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential

FACTOR = 10.0  # between dampings that are tried
MOST_TRIES = 8


@dataclass(frozen=True)
class Step:
    """A step: its damping, and the mean squares of weighted residuals after it, in training and validation."""

    number: int
    damping: float
    train: float
    valid: float | None
    seconds: float


@dataclass(frozen=True)
class GaussNewtonResult:
    """The steps, the number of the step whose weights were kept (0: the first weights), and the reason of the end."""

    steps: list[Step]
    best: int
    ended: str


def gauss_newton(
    potential: Potential,
    graphs: Sequence[AtomicGraph],
    noise: Noise,
    *,
    head: str,
    valid: Sequence[AtomicGraph] = (),
    steps: int = 20,
    damping: float = 1e-5,
    tolerance: float = 0.01,
    memory: float = 4.0,
    on_step: Callable[[Step], None] | None = None,
) -> GaussNewtonResult:
    r"""All weights of a potential, and E0 of a head, by the method of Levenberg and Marquardt.

    A step solves :math:`\min_\delta |r - J\delta|^2 + \mu|\delta|^2` around the current weights, with r and J of
    ``ResidualJacobian``. With fewer rows than weights, :math:`\delta = J^T (JJ^T + \mu)^{-1} r`. The damping μ is the best of
    a series with a factor of ten. The best weights in validation (or in training) are kept.

    Args:
        potential: The potential, float64.
        graphs: Training structures.
        noise: Expected errors of training structures; validation uses its ``sigma``.
        head: The head to fit.
        valid, steps: Validation structures; largest number of steps.
        damping: The first μ, in units of the largest eigenvalue of :math:`JJ^T`.
        tolerance: Relative gain in training below which the fit ends.
        memory: Largest size of J and its square, GB.
        on_step: Called after every step.

    Raises:
        FittingError: For a potential that is not float64, without weights to train, or structures whose J is too large.

    Source: K. Levenberg, Q. Appl. Math. 2, 164 (1944); D. W. Marquardt, J. SIAM 11, 431 (1963).
    """
    jacobian = ResidualJacobian(potential, noise, head)
    if potential.model.dtype != torch.float64:
        raise FittingError("Gauss-Newton needs a potential in float64; call potential.double() first")
    check_memory(jacobian, graphs, memory)
    validation = ResidualJacobian(potential, Noise(noise.sigma), head) if valid else None
    loss = _mean_square(jacobian, graphs)
    best, best_weights, best_number = _validated(validation, valid, loss), jacobian.parameters, 0
    taken: list[Step] = []
    began, gain = time.perf_counter(), inf
    try:
        for mu, reached in _improving_steps(jacobian, graphs, loss, steps, damping):
            gain, loss = 1.0 - reached / loss, reached
            error = _validated(validation, valid, loss)
            if error < best:
                best, best_weights, best_number = error, jacobian.parameters, len(taken) + 1
            now = time.perf_counter()
            taken.append(Step(len(taken) + 1, mu, loss, error if valid else None, now - began))
            began = now
            if on_step is not None:
                on_step(taken[-1])
            if gain < tolerance:
                break
    finally:
        jacobian.set_parameters(best_weights)
    return GaussNewtonResult(taken, best_number, _reason(len(taken), steps, gain, tolerance))


def _improving_steps(
    jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph], loss: float, steps: int, damping: float
) -> Iterator[tuple[float, float]]:
    """Take steps while the loss decreases; the damping and the loss of each."""
    mu: float | None = None
    for _ in range(steps):
        problem = _Linear.of(jacobian, graphs)
        first = damping * problem.largest() if mu is None else mu
        mu, reached = _take_best_step(jacobian, graphs, problem, first, loss)
        if reached >= loss:
            return
        loss = reached
        yield mu, loss


def _reason(n_taken: int, steps: int, gain: float, tolerance: float) -> str:
    """Why a fit ended."""
    if gain < tolerance:
        return f"the last step gained {gain:.1%}"
    return f"all {steps} steps were taken" if n_taken == steps else "no step was better"


@dataclass(frozen=True)
class _Linear:
    """J, r, and the smaller of JJᵀ and JᵀJ."""

    matrix: Tensor
    residuals: Tensor
    by_rows: bool
    square: Tensor

    @classmethod
    def of(cls, jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph]) -> _Linear:
        built = [jacobian.rows(graph, first) for first, graph in enumerate(graphs)]
        matrix, residuals = torch.cat([rows for rows, _ in built]), torch.cat([r for _, r in built])
        by_rows = matrix.shape[0] < matrix.shape[1]
        return cls(matrix, residuals, by_rows, matrix @ matrix.T if by_rows else matrix.T @ matrix)

    def largest(self) -> float:
        """The largest eigenvalue of JJᵀ."""
        return float(torch.linalg.matrix_norm(self.square, 2))

    def step(self, mu: float) -> Tensor | None:
        """δ (n,); None if the damped square is indefinite because of rounding."""
        damped = self.square + mu * torch.eye(len(self.square), dtype=self.square.dtype, device=self.square.device)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if bool(failed):
            return None
        right = self.residuals if self.by_rows else self.matrix.T @ self.residuals
        result = torch.cholesky_solve(right[:, None], factor)[:, 0]
        return self.matrix.T @ result if self.by_rows else result


def _take_best_step(
    jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph], problem: _Linear, first: float, loss: float
) -> tuple[float, float]:
    """Take the best step, or none if no step is better.

    The damping is decreased while the loss improves; it is increased if the first step is worse than none.

    Returns:
        Its damping, and the loss after it.
    """
    start = jacobian.parameters

    def after(mu: float) -> tuple[float, Tensor]:
        step = problem.step(mu)
        if step is None:
            return inf, start
        jacobian.set_parameters(start + step)
        reached = _mean_square(jacobian, graphs)
        return (reached if isfinite(reached) else inf), jacobian.parameters

    mu, (reached, weights) = first, after(first)
    factor = 1.0 / FACTOR if reached < loss else FACTOR
    for _ in range(MOST_TRIES):
        tried, tried_weights = after(mu * factor)
        if tried >= reached and reached < loss:
            break
        mu, reached, weights = mu * factor, tried, tried_weights
    jacobian.set_parameters(weights if reached < loss else start)
    return mu, reached


def _mean_square(jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph]) -> float:
    total, rows, first = 0.0, 0, 0
    for batch in budget_batches(graphs, SMALL_BUDGET):
        result = jacobian.residuals(batch, first)
        total, rows, first = total + float(result.square().sum()), rows + len(result), first + batch.n_graphs
    return total / max(rows, 1)


def _validated(validation: ResidualJacobian | None, valid: Sequence[AtomicGraph], loss: float) -> float:
    return loss if validation is None else _mean_square(validation, valid)


def check_memory(jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph], memory: float) -> None:
    """FittingError if there is nothing to fit, or if J and its square are larger than ``memory``, GB."""
    if not jacobian.weights:
        raise FittingError("this potential has no weights to train")
    rows = jacobian.n_rows(graphs)
    if not rows:
        raise FittingError("no structure has a label to fit")
    smaller = min(rows, jacobian.n)
    expected = 8e-9 * (rows * jacobian.n + 2 * smaller * smaller)  # J; its square, and that with damping
    if expected > memory:
        raise FittingError(
            f"{rows} energies and components of forces by {jacobian.n} weights are {expected:.2g} GB, but "
            f"memory is {memory:g}; take fewer structures, allow more, or train by gradient"
        )
