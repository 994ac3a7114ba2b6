"""From a fit to the uncertainty of energies: the covariance of the weights, its size set by structures kept aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from atomgraph.data import budget_batches
from atomgraph.evaluator import SMALL_BUDGET
from atomgraph.fitting.solvers.solution import Fit
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.posterior import Posterior
from atomgraph.potential import Potential


@torch.no_grad()
def add_uncertainty(potential: Potential, fit: Fit, held_out: Sequence[AtomicGraph] = ()) -> dict[str, Any]:
    r"""Give the potential the posterior of its weights, so that its predictions have an ``uncertainty``.

    The fit's covariance :math:`\sigma^2 CC^T` takes errors of rows for independent; structures that were not fitted say how
    large errors are: of :math:`e_s \sim N(0, (a\,\sigma_s)^2)` the most likely :math:`a^2` is the mean of
    :math:`e_s^2/\sigma_s^2`.

    Args:
        held_out: Graphs with energies, on the potential's device or the CPU.

    Returns:
        Facts: the factor a, 1 without held-out energies, and how many there were.
    """
    factor = fit.covariance_factor * fit.noise_square[0].sqrt()
    posterior = Posterior(*factor.shape).to(potential.device)
    posterior.factor.copy_(factor)
    potential.model.posterior = posterior
    squares = []
    for batch in budget_batches([graph for graph in held_out if bool(graph.energy_mask[0])], SMALL_BUDGET):
        result = potential.evaluate(batch.to(potential.device), forces=False, stress=False)
        squares.append(((batch.energy - result["energy"]) / result["uncertainty"]).square().double().cpu())
    n = sum(len(square) for square in squares)
    scale = float(torch.cat(squares).mean().sqrt()) if n else 1.0
    posterior.factor.mul_(scale)
    return {"calibration": scale, "calibrated_on": n}
