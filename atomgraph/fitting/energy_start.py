"""First weights of a network: its last linear maps are solved for the energy that E0 leaves over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.fitting.rows import rows_of
from atomgraph.fitting.solvers.errors import FittingError
from atomgraph.fitting.unknowns import Unknowns
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import SMALL_BUDGET, Potential

MOST_STRUCTURES = 1000  # a mean needs no more
RELATIVE_RIDGE = 0.03  # of the largest singular value: the mean is fitted, details are left to training


@dataclass(frozen=True)
class EnergyStart:
    """RMS errors of energies per atom in eV before and after, and the number of structures that they are of."""

    before: float
    after: float
    n_structures: int

    def describe(self) -> str:
        """One line for the log."""
        return (
            f"first weights: last linear maps solved for the energy above E0; error of {self.n_structures} training energies "
            f"{self.before:.3g} → {self.after:.3g} eV/atom"
        )


@torch.no_grad()
def start_at_mean_energy(potential: Potential, graphs: Sequence[AtomicGraph]) -> EnergyStart:
    r"""Change the last linear maps of all readouts so that training starts at the mean energy of the data.

    .. math:: \min_{\delta} \sum_s \Big(\frac{E_s - E_s^{pred} - x_s \cdot \delta}{n_s}\Big)^2 + \lambda |\delta|^2,
              \qquad \lambda = (0.03\,\sigma_1)^2,

    with :math:`\sigma_1` the largest singular value of the rows :math:`x_s / n_s`. The ridge is large enough that only
    what most structures have in common is fitted, and the random first weights keep their variety.

    Args:
        potential: Changed in place; of one head, on the CPU.
        graphs: Training structures; at most 1,000 of those with an energy are used, evenly spaced.

    Returns:
        Errors before and after.

    Raises:
        FittingError: If no readout is linear in any weight, the model has several heads, or no structure has an energy.
    """
    labelled = [graph for graph in graphs if bool(graph.energy_mask[0])]
    if not labelled:
        raise FittingError("no structure has an energy")
    unknowns = Unknowns(potential.model, around=True)
    was_training = potential.training
    potential.eval()
    rows, errors = [], []
    for batch in budget_batches(labelled[:: -(-len(labelled) // MOST_STRUCTURES)], SMALL_BUDGET):
        n_atoms = torch.bincount(batch.graph_of_atom, minlength=batch.n_graphs).double()
        rows.append(rows_of(unknowns, batch, forces=False, stress=False).energy.double() / n_atoms[:, None])
        predicted = potential.evaluated(batch, forces=False, stress=False)["energy"]
        errors.append((batch.energy - predicted).double() / n_atoms)
    potential.train(was_training)
    design, error = torch.cat(rows), torch.cat(errors)
    change = _ridge(design, error)
    unknowns.take(change.to(potential.model.dtype))
    return EnergyStart(_rms(error), _rms(error - design @ change), len(error))


def _ridge(design: Tensor, target: Tensor) -> Tensor:
    """(n,) the ridge solution, by the singular values of the design (n_rows, n)."""
    u, s, vh = torch.linalg.svd(design, full_matrices=False)
    strength = s / (s.square() + (RELATIVE_RIDGE * s[0]).square()) if float(s[0]) > 0 else torch.zeros_like(s)
    return vh.T @ (strength * (u.T @ target))


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
