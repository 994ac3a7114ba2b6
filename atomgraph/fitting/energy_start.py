"""First weights of a network: training starts at the energy that E0 leaves over, instead of learning it in its first epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.evaluator import SMALL_BUDGET
from atomgraph.fitting.design_matrix import design_matrix
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential

MOST_STRUCTURES = 500  # for the last linear maps
FEW_STRUCTURES = 32  # for all weights: a mean needs no more
STEPS = 3  # of Gauss-Newton
RELATIVE_RIDGE = 0.03  # of the largest singular value: the mean is fitted, details are left to training
WORSE = 1.1  # by which the error of forces may grow


@dataclass(frozen=True)
class EnergyStart:
    """RMS errors of energies per atom in eV before and after, the number of structures that they are of, and the method."""

    before: float
    after: float
    n_structures: int
    method: str

    def describe(self) -> str:
        """One line for the log."""
        return (
            f"first weights: {self.method} solved for the energy above E0; error of {self.n_structures} training energies "
            f"{self.before:.3g} → {self.after:.3g} eV/atom"
        )


def start_at_mean_energy(potential: Potential, graphs: Sequence[AtomicGraph]) -> EnergyStart:
    r"""Change a network's first weights so that training starts at the mean energy of the data.

    The last linear maps are solved for in closed form,

    .. math:: \min_{\delta} \sum_s \Big(\frac{E_s - E_s^{pred} - x_s \cdot \delta}{n_s}\Big)^2 + \lambda |\delta|^2,
              \qquad \lambda = (0.03\,\sigma_1)^2,

    with :math:`\sigma_1` the largest singular value of the rows :math:`x_s / n_s`. The ridge is large enough that only
    what most structures have in common is fitted. Where features of random weights hardly know the environment (MACE), the
    maps would become so large that forces get worse, and training with them: then all weights share the change, in
    three steps of Gauss-Newton on the energies of 32 structures, each of minimum norm.

    Args:
        potential: Changed in place; on the CPU.
        graphs: Training structures; some of those with an energy are used, evenly spaced.

    Returns:
        Errors before and after.

    Raises:
        FittingError: If no structure has an energy.
    """
    labelled = [graph for graph in graphs if bool(graph.energy_mask[0])]
    if not labelled:
        raise FittingError("no structure has an energy")
    was_training = potential.training
    try:
        return _last_maps(potential, labelled) or _all_weights(potential, labelled)
    finally:
        potential.train(was_training)


@torch.no_grad()
def _last_maps(potential: Potential, graphs: Sequence[AtomicGraph]) -> EnergyStart | None:
    """The closed form; None, with the weights as they were, where it makes forces worse or readouts have no such form."""
    potential.eval()
    try:
        unknowns = LinearWeights(potential.model, around=True)
    except FittingError:
        return None
    graphs = _some(graphs, MOST_STRUCTURES)
    rows, errors = [], []
    for batch in budget_batches(graphs, SMALL_BUDGET):
        n_atoms = torch.bincount(batch.graph_of_atom, minlength=batch.n_graphs).double()
        rows.append(design_matrix(unknowns, batch, forces=False, stress=False).energy.double() / n_atoms[:, None])
        predicted = potential.evaluate(batch, forces=False, stress=False)["energy"]
        errors.append((batch.energy - predicted).double() / n_atoms)
    design, error = torch.cat(rows), torch.cat(errors)
    change = _ridge(design, error)
    few = _some(graphs, FEW_STRUCTURES)
    weights = {name: weight.clone() for name, weight in potential.named_parameters()}
    before = _force_error(potential, few)
    unknowns.assign(change.to(potential.model.dtype))
    after = _force_error(potential, few)
    if not after <= WORSE * before:
        potential.load_state_dict(weights, strict=False)
        return None
    return EnergyStart(_rms(error), _rms(error - design @ change), len(graphs), "last linear maps")


def _all_weights(potential: Potential, graphs: Sequence[AtomicGraph]) -> EnergyStart:
    """Damped steps of Gauss-Newton on energies per atom, :math:`\\delta = J^T (J J^T + \\lambda)^{-1} r`."""
    potential.train()  # so that energies keep the graph of the weights that they come from
    graphs = _some(graphs, FEW_STRUCTURES)
    weights = [weight for weight in potential.parameters() if weight.requires_grad]
    residual = _residual(potential, graphs)
    first = _rms(residual)
    for _ in range(STEPS):
        jacobian = torch.stack([_gradient(potential, graph, weights) for graph in graphs])
        kernel = jacobian @ jacobian.T
        damping = RELATIVE_RIDGE * float(torch.linalg.matrix_norm(kernel, 2))
        if damping == 0.0:
            break
        kernel.diagonal().add_(damping)
        step = jacobian.T @ torch.linalg.solve(kernel, residual)
        residual = _descended(potential, graphs, weights, step, residual)
    return EnergyStart(first, _rms(residual), len(graphs), "all weights")


@torch.no_grad()
def _descended(
    potential: Potential, graphs: Sequence[AtomicGraph], weights: Sequence[Tensor], step: Tensor, residual: Tensor
) -> Tensor:
    """Take the step, halved until the errors of energies are smaller; the residuals after it."""
    old = [weight.clone() for weight in weights]
    length = 1.0
    while length > 1e-2:
        for weight, start, part in zip(weights, old, step.split([w.numel() for w in weights]), strict=True):
            weight.copy_(start + length * part.view_as(weight))
        after = _residual(potential, graphs)
        if _rms(after) < _rms(residual):
            return after
        length /= 2
    for weight, start in zip(weights, old, strict=True):
        weight.copy_(start)
    return residual


@torch.no_grad()
def _residual(potential: Potential, graphs: Sequence[AtomicGraph]) -> Tensor:
    """(n_structures,) label − prediction of energies per atom, eV."""
    errors = []
    for batch in budget_batches(graphs, SMALL_BUDGET):
        n_atoms = torch.bincount(batch.graph_of_atom, minlength=batch.n_graphs)
        errors.append((batch.energy - potential(batch, forces=False, stress=False)["energy"]).double() / n_atoms)
    return torch.cat(errors)


def _gradient(potential: Potential, graph: AtomicGraph, weights: Sequence[Tensor]) -> Tensor:
    """(n_weights,) the derivative of the energy per atom with respect to all weights."""
    energy = potential(graph, forces=False, stress=False)["energy"].sum() / graph.n_atoms
    gradients = torch.autograd.grad(energy, weights, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients]).double()


@torch.no_grad()
def _force_error(potential: Potential, graphs: Sequence[AtomicGraph]) -> float:
    """RMS error of the labelled force components, eV/Å; 0 where there are none."""
    errors = [torch.zeros(0)]
    for batch in budget_batches([graph for graph in graphs if bool(graph.forces_mask.any())], SMALL_BUDGET):
        forces = potential.evaluate(batch, forces=True, stress=False)["forces"]
        errors.append((forces - batch.forces)[batch.forces_mask].flatten())
    error = torch.cat(errors)
    return _rms(error) if len(error) else 0.0


def _some(graphs: Sequence[AtomicGraph], most: int) -> Sequence[AtomicGraph]:
    """At most so many, evenly spaced."""
    return graphs[:: -(-len(graphs) // most)]


def _ridge(design: Tensor, target: Tensor) -> Tensor:
    """(n,) the ridge solution, by the singular values of the design (n_rows, n)."""
    u, s, vh = torch.linalg.svd(design, full_matrices=False)
    strength = s / (s.square() + (RELATIVE_RIDGE * s[0]).square()) if float(s[0]) > 0 else torch.zeros_like(s)
    return vh.T @ (strength * (u.T @ target))


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
