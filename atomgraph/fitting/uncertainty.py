"""Uncertainty of energies from the covariance of fitted weights, calibrated on held-out structures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from atomgraph.data import budget_batches
from atomgraph.evaluator import DEFAULT_EDGE_BUDGET
from atomgraph.fitting.solvers.solution import LinearSolution
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.posterior import Posterior
from atomgraph.old_names import with_old_arguments
from atomgraph.potential import Potential


@with_old_arguments
@torch.no_grad()
def add_uncertainty(
    potential: Potential, solution: LinearSolution, held_out: Sequence[AtomicGraph] = ()
) -> dict[str, Any]:
    r"""Add the posterior of the weights to a potential, so that its predictions have an ``uncertainty``.

    The covariance :math:`\sigma^2 CC^T` of the solution assumes that errors of rows are independent. Its size is therefore
    calibrated on structures outside the fit: with errors :math:`e_s \sim N(0, (a\,\sigma_s)^2)`, the most likely
    :math:`a^2` is the mean of :math:`e_s^2/\sigma_s^2`.

    Args:
        potential: Fitted potential; its model gets the posterior.
        solution: Solution of the fit.
        held_out: Labelled graphs outside the fit, on the potential's device or the CPU. Graphs without energy are skipped.

    Returns:
        ``calibration``, the factor a (1 without held-out energies), and ``calibrated_on``, the number of energies.
    """
    factor = solution.covariance_factor * solution.noise_square[0].sqrt()
    posterior = Posterior(*factor.shape).to(potential.device)
    posterior.factor.copy_(factor)
    potential.model.posterior = posterior
    squares = []
    for batch in budget_batches([graph for graph in held_out if bool(graph.energy_mask[0])], DEFAULT_EDGE_BUDGET):
        result = potential.evaluate(batch.to(potential.device), forces=False, stress=False)
        squares.append(((batch.energy - result["energy"]) / result["uncertainty"]).square().double().cpu())
    n = sum(len(square) for square in squares)
    calibration = float(torch.cat(squares).mean().sqrt()) if n else 1.0
    posterior.factor.mul_(calibration)
    return {"calibration": calibration, "calibrated_on": n}
