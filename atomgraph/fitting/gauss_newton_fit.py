"""Gauss-Newton fit of all weights: a sequence of linear problems, each linearised at the current weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.evaluator import DEFAULT_EDGE_BUDGET
from atomgraph.fitting.jacobian import ResidualJacobian
from atomgraph.fitting.noise import Noise
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute
from atomgraph.potential import Potential

DAMPING_FACTOR = 10.0  # ratio of successive dampings
MAX_TRIES = 8  # largest number of further dampings that one step tries


@dataclass(frozen=True)
class Step:
    """One Gauss-Newton step.

    Attributes:
        number: Number of the step, from 1.
        damping: Damping μ.
        train: Mean square of weighted residuals in training, after the step.
        valid: Mean square of weighted residuals in validation, after the step; None without validation.
        seconds: Duration, s.
    """

    number: int
    damping: float
    train: float
    valid: float | None
    seconds: float


@dataclass(frozen=True)
class GaussNewtonResult:
    """Result of a Gauss-Newton fit.

    Attributes:
        steps: All steps.
        best: Number of the step with the final weights; 0 for the initial weights.
        end_reason: Reason for the end of the fit.
    """

    steps: list[Step]
    best: int
    end_reason: str
    ended = OldAttribute("end_reason")


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
    r"""Fit all weights of a potential, and E0 of a head, by the Levenberg-Marquardt method.

    A step minimises :math:`|r - J\delta|^2 + \mu|\delta|^2` over changes δ of the weights, with residuals r, derivatives J of
    predictions, and the best damping μ. The final weights have the smallest error in validation, else in training.

    Args:
        potential: Potential in float64; its weights are changed.
        graphs: Training structures.
        noise: Expected errors of the labels. Validation uses ``noise.sigma`` for all structures.
        head: Name of the head to fit.
        valid: Validation structures.
        steps: Largest number of steps.
        damping: First μ, relative to the largest eigenvalue of :math:`JJ^T`.
        tolerance: Relative decrease of the training loss below which the fit ends.
        memory: Largest size of J and two copies of the smaller of :math:`JJ^T` and :math:`J^TJ`, GB.
        on_step: Function called after every step; None for no call.

    Raises:
        FittingError: If the potential is not float64, there are no trainable weights or no labels, or J is too large.

    Source: K. Levenberg, Q. Appl. Math. 2, 164 (1944); D. W. Marquardt, J. SIAM 11, 431 (1963).
    """
    jacobian = ResidualJacobian(potential, noise, head)
    if potential.model.dtype != torch.float64:
        raise FittingError("Gauss-Newton needs a potential in float64; call potential.double() first")
    check_memory(jacobian, graphs, memory)
    validation = ResidualJacobian(potential, Noise(noise.sigma), head) if valid else None
    loss = _mean_square(jacobian, graphs)
    best_loss, best_parameters, best_number = _validation_loss(validation, valid, loss), jacobian.parameters, 0
    finished_steps: list[Step] = []
    start_time, gain = time.perf_counter(), inf
    try:
        for mu, new_loss in _improving_steps(jacobian, graphs, loss, steps, damping):
            gain, loss = 1.0 - new_loss / loss, new_loss
            valid_loss = _validation_loss(validation, valid, loss)
            number = len(finished_steps) + 1
            if valid_loss < best_loss:
                best_loss, best_parameters, best_number = valid_loss, jacobian.parameters, number
            seconds, start_time = time.perf_counter() - start_time, time.perf_counter()
            finished_steps.append(Step(number, mu, loss, valid_loss if valid else None, seconds))
            if on_step is not None:
                on_step(finished_steps[-1])
            if gain < tolerance:
                break
    finally:
        jacobian.set_parameters(best_parameters)
    return GaussNewtonResult(finished_steps, best_number, _end_reason(len(finished_steps), steps, gain, tolerance))


def _improving_steps(
    jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph], loss: float, steps: int, damping: float
) -> Iterator[tuple[float, float]]:
    """Take steps while the loss decreases; yield the damping and the loss of each step."""
    mu: float | None = None
    for _ in range(steps):
        problem = _LinearisedProblem.build(jacobian, graphs)
        first_mu = damping * problem.largest_eigenvalue() if mu is None else mu
        mu, new_loss = _take_best_step(jacobian, graphs, problem, first_mu, loss)
        if new_loss >= loss:
            return
        loss = new_loss
        yield mu, loss


def _end_reason(n_steps: int, max_steps: int, gain: float, tolerance: float) -> str:
    """Return the reason for the end of a fit."""
    if gain < tolerance:
        return f"the last step reduced the loss by {gain:.1%}"
    return f"all {max_steps} steps were taken" if n_steps == max_steps else "no further step reduced the loss"


@dataclass(frozen=True)
class _LinearisedProblem:
    """Linear problem at the current weights.

    Attributes:
        matrix: J, (n_rows, n).
        residuals: r, (n_rows,).
        is_row_product: Whether ``square`` is JJᵀ rather than JᵀJ.
        square: The smaller of JJᵀ, (n_rows, n_rows), and JᵀJ, (n, n).
    """

    matrix: Tensor
    residuals: Tensor
    is_row_product: bool
    square: Tensor

    @classmethod
    def build(cls, jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph]) -> _LinearisedProblem:
        """Compute J and r of all structures."""
        parts = [jacobian.rows(graph, index) for index, graph in enumerate(graphs)]
        matrix, residuals = torch.cat([rows for rows, _ in parts]), torch.cat([r for _, r in parts])
        is_row_product = matrix.shape[0] < matrix.shape[1]
        return cls(matrix, residuals, is_row_product, matrix @ matrix.T if is_row_product else matrix.T @ matrix)

    def largest_eigenvalue(self) -> float:
        """Return the largest eigenvalue of JJᵀ."""
        return float(torch.linalg.matrix_norm(self.square, 2))

    def step(self, mu: float) -> Tensor | None:
        """Return the change δ of the weights, (n,); None if the damped matrix is not positive definite because of rounding."""
        damped = self.square + mu * torch.eye(len(self.square), dtype=self.square.dtype, device=self.square.device)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if bool(failed):
            return None
        right_side = self.residuals if self.is_row_product else self.matrix.T @ self.residuals
        result = torch.cholesky_solve(right_side[:, None], factor)[:, 0]
        return self.matrix.T @ result if self.is_row_product else result


def _take_best_step(
    jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph], problem: _LinearisedProblem, first_mu: float, loss: float
) -> tuple[float, float]:
    """Take the step with the best damping; keep the parameters if no step reduces the loss.

    The damping is decreased while the loss decreases. If the first damping does not reduce the loss, larger dampings are
    tried.

    Args:
        jacobian: Residuals; its parameters are changed.
        graphs: Training structures.
        problem: Linear problem at the current weights.
        first_mu: First damping.
        loss: Loss before the step.

    Returns:
        Damping of the step, and the smallest loss that was reached.
    """
    start_parameters = jacobian.parameters

    def try_step(mu: float) -> tuple[float, Tensor]:
        """Return the loss and the parameters, (n,), after a step with damping μ."""
        step = problem.step(mu)
        if step is None:
            return inf, start_parameters
        jacobian.set_parameters(start_parameters + step)
        loss_after = _mean_square(jacobian, graphs)
        return (loss_after if isfinite(loss_after) else inf), jacobian.parameters

    mu, (new_loss, parameters) = first_mu, try_step(first_mu)
    damping_ratio = 1.0 / DAMPING_FACTOR if new_loss < loss else DAMPING_FACTOR
    for _ in range(MAX_TRIES):
        next_loss, next_parameters = try_step(mu * damping_ratio)
        if next_loss >= new_loss and new_loss < loss:
            break
        mu, new_loss, parameters = mu * damping_ratio, next_loss, next_parameters
    jacobian.set_parameters(parameters if new_loss < loss else start_parameters)
    return mu, new_loss


def _mean_square(jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph]) -> float:
    """Return the mean square of weighted residuals."""
    total, n_rows, n_graphs = 0.0, 0, 0
    for batch in budget_batches(graphs, DEFAULT_EDGE_BUDGET):
        residuals = jacobian.residuals(batch, n_graphs)
        total, n_rows = total + float(residuals.square().sum()), n_rows + len(residuals)
        n_graphs += batch.n_graphs
    return total / max(n_rows, 1)


def _validation_loss(validation: ResidualJacobian | None, valid: Sequence[AtomicGraph], loss: float) -> float:
    """Return the loss in validation; without validation, the training loss."""
    return loss if validation is None else _mean_square(validation, valid)


def check_memory(jacobian: ResidualJacobian, graphs: Sequence[AtomicGraph], memory: float) -> None:
    """Check that there are weights and labels, and that J and the smaller of JJᵀ and JᵀJ fit into memory.

    Args:
        jacobian: Residuals of the potential.
        graphs: Training structures.
        memory: Largest size of J together with two copies of the smaller of JJᵀ and JᵀJ, GB.

    Raises:
        FittingError: If there is no weight or no label, or the matrices are larger than ``memory``.
    """
    if not jacobian.weights:
        raise FittingError("this potential has no weights to train; set requires_grad of some weights")
    n_rows = jacobian.n_rows(graphs)
    if not n_rows:
        raise FittingError("no structure has a label to fit; add energies, forces or stresses, or give their sigma")
    smaller = min(n_rows, jacobian.n)
    expected_memory = 8e-9 * (n_rows * jacobian.n + 2 * smaller * smaller)  # J, its square, and the damped square
    if expected_memory > memory:
        raise FittingError(
            f"{n_rows} energies and components of forces times {jacobian.n} weights need {expected_memory:.2g} GB, but "
            f"memory is {memory:g} GB; take fewer structures, allow more memory, or train by gradient"
        )
