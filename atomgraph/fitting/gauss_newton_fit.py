"""Gauss-Newton: one linear problem after the other, each solved in closed form around the weights that the last one gave."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.fitting.jacobian import ResidualJacobian
from atomgraph.fitting.noise import Noise
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import SMALL_BUDGET, Potential

FACTOR = 10.0  # from one damping to the next that is tried
MOST_TRIES = 8


@dataclass(frozen=True)
class Step:
    """A step that was taken: its damping; mean squares of weighted residuals after it, in training and validation."""

    number: int
    damping: float
    train: float
    valid: float | None
    seconds: float


@dataclass(frozen=True)
class GaussNewtonResult:
    """The steps, which of them has the weights that were kept (0: none has), and why there was no further one."""

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

    A step solves :math:`\min_\delta |r - J\delta|^2 + \mu|\delta|^2` around the weights that are there, r and J as in
    ``ResidualJacobian``; with fewer rows than weights, from the kernel of the tangent,
    :math:`\delta = J^T (JJ^T + \mu)^{-1} r`. The damping μ is the best of those that are tried, each ten times another.
    The weights kept are the best in validation, or in training where there is none.

    Args:
        potential: float64.
        noise: Of the training structures; validation is weighed by its ``sigma``.
        damping: The first μ, in units of the largest eigenvalue of :math:`JJ^T`.
        tolerance: The relative gain in training below which there is no further step.
        memory: For J and its square, GB.
        on_step: Called after every step.

    Raises:
        FittingError: For a potential that is not float64, without weights to train, or structures whose J is too large.

    Source: K. Levenberg, Q. Appl. Math. 2, 164 (1944); D. W. Marquardt, J. SIAM 11, 431 (1963).
    """
    tangent = ResidualJacobian(potential, noise, head)
    if potential.model.dtype != torch.float64:
        raise FittingError("Gauss-Newton wants a potential in float64; call potential.double() first")
    check_memory(tangent, graphs, memory)
    outside = ResidualJacobian(potential, Noise(noise.sigma), head) if valid else None
    loss = _mean_square(tangent, graphs)
    best, best_place, best_number = _judged(outside, valid, loss), tangent.place, 0
    mu: float | None = None
    taken: list[Step] = []
    ended = f"all {steps} steps were taken"
    try:
        for number in range(1, steps + 1):
            began = time.perf_counter()
            problem = _Linear.of(tangent, graphs)
            first = damping * problem.largest() if mu is None else mu
            mu, reached = _take_best_step(tangent, graphs, problem, first, loss)
            if reached >= loss:
                ended = "no step was better"
                break
            gain, loss = 1.0 - reached / loss, reached
            judged = _judged(outside, valid, loss)
            if judged < best:
                best, best_place, best_number = judged, tangent.place, number
            taken.append(Step(number, mu, loss, judged if valid else None, time.perf_counter() - began))
            if on_step is not None:
                on_step(taken[-1])
            if gain < tolerance:
                ended = f"the last step gained {gain:.1%}"
                break
    finally:
        tangent.go_to(best_place)
    return GaussNewtonResult(taken, best_number, ended)


@dataclass(frozen=True)
class _Linear:
    """J, r, and the smaller of the two squares of J: of its rows, where there are fewer of them than of columns."""

    slopes: Tensor
    residuals: Tensor
    by_rows: bool
    square: Tensor

    @classmethod
    def of(cls, tangent: ResidualJacobian, graphs: Sequence[AtomicGraph]) -> _Linear:
        made = [tangent.rows(graph, first) for first, graph in enumerate(graphs)]
        slopes, residuals = torch.cat([rows for rows, _ in made]), torch.cat([r for _, r in made])
        by_rows = slopes.shape[0] < slopes.shape[1]
        return cls(slopes, residuals, by_rows, slopes @ slopes.T if by_rows else slopes.T @ slopes)

    def largest(self) -> float:
        """The largest eigenvalue of the square."""
        return float(torch.linalg.matrix_norm(self.square, 2))

    def step(self, mu: float) -> Tensor | None:
        """δ (n,); None where rounding leaves the damped square indefinite."""
        damped = self.square + mu * torch.eye(len(self.square), dtype=self.square.dtype, device=self.square.device)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if bool(failed):
            return None
        right = self.residuals if self.by_rows else self.slopes.T @ self.residuals
        found = torch.cholesky_solve(right[:, None], factor)[:, 0]
        return self.slopes.T @ found if self.by_rows else found


def _take_best_step(
    tangent: ResidualJacobian, graphs: Sequence[AtomicGraph], problem: _Linear, first: float, loss: float
) -> tuple[float, float]:
    """The damping of the best step, and the loss after it; the weights are there then, or where they were if none is better.

    Less damping is tried as long as it is better; more, where the first is worse than no step at all.
    """
    start = tangent.place

    def after(mu: float) -> tuple[float, Tensor]:
        step = problem.step(mu)
        if step is None:
            return inf, start
        tangent.go_to(start + step)
        reached = _mean_square(tangent, graphs)
        return (reached if isfinite(reached) else inf), tangent.place

    mu, (reached, place) = first, after(first)
    factor = 1.0 / FACTOR if reached < loss else FACTOR
    for _ in range(MOST_TRIES):
        tried, there = after(mu * factor)
        if tried >= reached and reached < loss:
            break
        mu, reached, place = mu * factor, tried, there
    tangent.go_to(place if reached < loss else start)
    return mu, reached


def _mean_square(tangent: ResidualJacobian, graphs: Sequence[AtomicGraph]) -> float:
    total, rows, first = 0.0, 0, 0
    for batch in budget_batches(graphs, SMALL_BUDGET):
        found = tangent.residuals(batch, first)
        total, rows, first = total + float(found.square().sum()), rows + len(found), first + batch.n_graphs
    return total / max(rows, 1)


def _judged(outside: ResidualJacobian | None, valid: Sequence[AtomicGraph], loss: float) -> float:
    return loss if outside is None else _mean_square(outside, valid)


def check_memory(tangent: ResidualJacobian, graphs: Sequence[AtomicGraph], memory: float) -> None:
    """FittingError where there is nothing to fit, or the slopes of all rows and their square are more than ``memory``, GB."""
    if not tangent.weights:
        raise FittingError("this potential has no weights to train")
    rows = tangent.n_rows(graphs)
    if not rows:
        raise FittingError("no structure has a label that is to be fitted")
    smaller = min(rows, tangent.n)
    wanted = 8e-9 * (rows * tangent.n + 2 * smaller * smaller)  # J; its square, and that with damping
    if wanted > memory:
        raise FittingError(
            f"{rows} energies and components of forces by {tangent.n} weights are {wanted:.2g} GB, but memory is {memory:g}; "
            f"take fewer structures, allow more, or train by gradient"
        )
