"""The linear problem of a batch of structures: design matrix, targets and row weights."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.fitting.design_matrix import design_matrix
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.fitting.noise import Noise
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import VOIGT, AtomicGraph
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential


class LinearProblem:
    """X, y and row weights of structures, for the linear weights of a potential.

    Targets are labels minus predictions with these weights zero: E0, shift, repulsion, and readouts that are not solved for.
    The constructor sets the weights to zero; ``unknowns.assign`` sets the solution.

    Args:
        potential: The potential.
        noise: Expected errors of labels.
        around: Keep the current weights, and solve for their change.
    """

    def __init__(self, potential: Potential, noise: Noise, around: bool = False):
        self.potential, self.noise = potential, noise
        self.unknowns = LinearWeights(potential.model, around)
        self.unknowns.zero_()

    @torch.no_grad()
    def of(self, batch: AtomicGraph, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """X (rows, n), y (rows,) and weights (rows,) of a batch, without the rows of weight zero.

        Args:
            batch: Structures.
            first: The number of the first structure of the batch in the fit.

        Rows are energies, then forces, then virials, in eV and Å.
        """
        energy, forces, virial = self.noise.weights(batch, first)
        wants_forces, wants_virial = bool(forces.any()), bool(virial.any())
        rows = design_matrix(self.unknowns, batch, forces=wants_forces, stress=wants_virial)
        constant = self._constant(batch, forces=wants_forces, stress=wants_virial)
        chosen = energy > 0
        parts = [(rows.energy[chosen], (batch.energy - constant["energy"])[chosen], energy[chosen])]
        if rows.forces is not None:
            chosen = forces > 0
            target = (batch.forces - constant["forces"])[chosen].flatten()
            parts.append((rows.forces[chosen].flatten(0, 1), target, forces[chosen].repeat_interleave(3)))
        if rows.stress is not None:
            chosen = virial > 0
            size = volume(batch)[chosen, None]
            label = (batch.stress - constant["stress"])[chosen].flatten(1)[:, list(VOIGT)] * size
            columns = rows.stress[chosen] * size[:, :, None]
            parts.append((columns.flatten(0, 1), label.flatten(), virial[chosen].repeat_interleave(6)))
        X, y, weight = zip(*parts, strict=True)
        return torch.cat(X), torch.cat(y), torch.cat(weight)

    def _constant(self, batch: AtomicGraph, *, forces: bool, stress: bool) -> dict[str, Tensor]:
        if not self.unknowns.is_complete:
            return self.potential.evaluate(batch, forces=forces, stress=stress)
        baseline = self.potential.model.baseline
        element = self.potential.model.element_table(batch.atomic_numbers)
        of_atom = baseline.e0[0, element] + baseline.shift[0]
        return {
            "energy": sum_to(of_atom, batch.graph_of_atom, batch.n_graphs),
            "forces": torch.zeros_like(batch.forces),
            "stress": torch.zeros_like(batch.stress),
        }
