"""Initial weights of a network, fitted to the mean energy above E0, so that the first epochs need not learn the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.evaluator import DEFAULT_EDGE_BUDGET
from atomgraph.fitting.design_matrix import design_matrix
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential

N_STRUCTURES_LINEAR = 500  # structures for a fit of the last linear maps
N_STRUCTURES_ALL = 32  # structures for a fit of all weights, enough for a mean
STEPS = 3  # largest number of Gauss-Newton steps
# √λ for the last maps, relative to the largest singular value of the rows x_s / n_s; so large that only the mean is fitted.
RELATIVE_RIDGE = 0.03
RELATIVE_DAMPING = 0.03  # λ for all weights, relative to the largest eigenvalue of JJᵀ
MAX_FORCE_ERROR_RATIO = 1.1  # largest ratio of the force errors after and before the fit


@dataclass(frozen=True)
class InitialWeightsFit:
    """Result of a fit of initial weights, written to the entry ``energy_start`` of a potential's metadata.

    Attributes:
        before: RMS error of energies per atom before the fit, eV.
        after: RMS error of energies per atom after the fit, eV.
        n_structures: Number of structures of the fit.
        method: Weights that were fitted: ``last linear maps`` or ``all weights``.
    """

    before: float
    after: float
    n_structures: int
    method: str

    def describe(self) -> str:
        """Return one line for the log."""
        return (
            f"initial weights: {self.method} fitted to the energy above E0; error of {self.n_structures} training energies "
            f"{self.before:.3g} → {self.after:.3g} eV/atom"
        )


def fit_initial_weights(potential: Potential, graphs: Sequence[AtomicGraph]) -> InitialWeightsFit:
    r"""Change the initial weights of a network, so that training starts at the mean energy of the data.

    The last linear maps are fitted in closed form,

    .. math:: \min_{\delta} \sum_s \Big(\frac{E_s - E_s^{pred} - x_s \cdot \delta}{n_s}\Big)^2 + \lambda |\delta|^2,
              \qquad \lambda = (0.03\,\sigma_1)^2,

    with the row :math:`x_s` of the design matrix and the number of atoms :math:`n_s` of structure s, and the largest singular
    value :math:`\sigma_1` of the rows :math:`x_s / n_s`. Because of the large ridge, only the part of the energy errors
    that most structures share is fitted.

    Features with random weights may hardly depend on the environment (MACE). The last maps would then become so large that
    forces get worse. In this case, or without linear readouts, all weights are changed instead, by up to three Gauss-Newton
    steps of minimum norm on the energies of at most 32 structures.

    Args:
        potential: Potential on the CPU; its weights are changed.
        graphs: Training structures, from which labelled structures are taken at equal intervals.

    Returns:
        Errors before and after the fit.

    Raises:
        FittingError: If no structure has an energy.
    """
    labelled = [graph for graph in graphs if bool(graph.energy_mask[0])]
    if not labelled:
        raise FittingError("no structure has an energy")
    was_training = potential.training
    try:
        return _fit_last_maps(potential, labelled) or _fit_all_weights(potential, labelled)
    finally:
        potential.train(was_training)


@torch.no_grad()
def _fit_last_maps(potential: Potential, graphs: Sequence[AtomicGraph]) -> InitialWeightsFit | None:
    """Fit the last linear maps.

    Returns:
        Result; None, with unchanged weights, if the force error increases by more than 10 % or no readout is linear.
    """
    potential.eval()
    try:
        unknowns = LinearWeights(potential.model, keep_weights=True)  # the unknowns are changes of the weights
    except FittingError:
        return None
    graphs = _subset(graphs, N_STRUCTURES_LINEAR)
    rows, errors = [], []
    for batch in budget_batches(graphs, DEFAULT_EDGE_BUDGET):
        n_atoms = torch.bincount(batch.graph_of_atom, minlength=batch.n_graphs).double()
        rows.append(design_matrix(unknowns, batch, forces=False, stress=False).energy.double() / n_atoms[:, None])
        predicted = potential.evaluate(batch, forces=False, stress=False)["energy"]
        errors.append((batch.energy - predicted).double() / n_atoms)
    design, error = torch.cat(rows), torch.cat(errors)
    change = _ridge(design, error)
    force_graphs = _subset(graphs, N_STRUCTURES_ALL)
    weights = {name: weight.clone() for name, weight in potential.named_parameters()}
    force_error_before = _force_error(potential, force_graphs)
    unknowns.assign(change.to(potential.model.dtype))
    force_error_after = _force_error(potential, force_graphs)
    if not force_error_after <= MAX_FORCE_ERROR_RATIO * force_error_before:
        potential.load_state_dict(weights, strict=False)
        return None
    return InitialWeightsFit(_rms(error), _rms(error - design @ change), len(graphs), "last linear maps")


def _fit_all_weights(potential: Potential, graphs: Sequence[AtomicGraph]) -> InitialWeightsFit:
    """Fit all weights by damped Gauss-Newton steps on energies per atom, :math:`\\delta = J^T (J J^T + \\lambda)^{-1} r`."""
    potential.train()  # energies must be differentiable with respect to weights
    graphs = _subset(graphs, N_STRUCTURES_ALL)
    weights = [weight for weight in potential.parameters() if weight.requires_grad]
    residual = _residual(potential, graphs)
    error_before = _rms(residual)
    for _ in range(STEPS):
        jacobian = torch.stack([_gradient(potential, graph, weights) for graph in graphs])
        kernel = jacobian @ jacobian.T
        damping = RELATIVE_DAMPING * float(torch.linalg.matrix_norm(kernel, 2))
        if damping == 0.0:
            break
        kernel.diagonal().add_(damping)
        step = jacobian.T @ torch.linalg.solve(kernel, residual)
        residual = _take_step(potential, graphs, weights, step, residual)
    return InitialWeightsFit(error_before, _rms(residual), len(graphs), "all weights")


@torch.no_grad()
def _take_step(
    potential: Potential, graphs: Sequence[AtomicGraph], weights: Sequence[Tensor], step: Tensor, residual: Tensor
) -> Tensor:
    """Take the step, halved until energy errors decrease; return the residuals afterwards, (n_structures,), eV."""
    start_weights = [weight.clone() for weight in weights]
    fraction = 1.0
    while fraction > 1e-2:
        for weight, start, part in zip(weights, start_weights, step.split([w.numel() for w in weights]), strict=True):
            weight.copy_(start + fraction * part.view_as(weight))
        next_residual = _residual(potential, graphs)
        if _rms(next_residual) < _rms(residual):
            return next_residual
        fraction /= 2
    for weight, start in zip(weights, start_weights, strict=True):
        weight.copy_(start)
    return residual


@torch.no_grad()
def _residual(potential: Potential, graphs: Sequence[AtomicGraph]) -> Tensor:
    """Return label − prediction of energies per atom, (n_structures,), eV."""
    errors = []
    for batch in budget_batches(graphs, DEFAULT_EDGE_BUDGET):
        n_atoms = torch.bincount(batch.graph_of_atom, minlength=batch.n_graphs)
        errors.append((batch.energy - potential(batch, forces=False, stress=False)["energy"]).double() / n_atoms)
    return torch.cat(errors)


def _gradient(potential: Potential, graph: AtomicGraph, weights: Sequence[Tensor]) -> Tensor:
    """Return the derivative of the energy per atom with respect to all weights, (n_weights,), eV."""
    energy = potential(graph, forces=False, stress=False)["energy"].sum() / graph.n_atoms
    gradients = torch.autograd.grad(energy, weights, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients]).double()


@torch.no_grad()
def _force_error(potential: Potential, graphs: Sequence[AtomicGraph]) -> float:
    """Return the RMS error of the labelled force components, eV/Å; 0 without labels."""
    errors = [torch.zeros(0)]
    for batch in budget_batches([graph for graph in graphs if bool(graph.forces_mask.any())], DEFAULT_EDGE_BUDGET):
        forces = potential.evaluate(batch, forces=True, stress=False)["forces"]
        errors.append((forces - batch.forces)[batch.forces_mask].flatten())
    error = torch.cat(errors)
    return _rms(error) if len(error) else 0.0


def _subset(graphs: Sequence[AtomicGraph], max_graphs: int) -> Sequence[AtomicGraph]:
    """Return at most ``max_graphs`` graphs, at equal intervals."""
    return graphs[:: -(-len(graphs) // max_graphs)]


def _ridge(design: Tensor, target: Tensor) -> Tensor:
    """Return the ridge solution, (n,), by SVD of the design matrix, (n_rows, n)."""
    u, s, vh = torch.linalg.svd(design, full_matrices=False)
    inverse = s / (s.square() + (RELATIVE_RIDGE * s[0]).square()) if float(s[0]) > 0 else torch.zeros_like(s)
    return vh.T @ (inverse * (u.T @ target))


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
