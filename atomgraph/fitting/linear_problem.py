"""The linear problem of a batch of structures: design matrix, targets and row weights."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.fitting.design_matrix import design_matrix
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.fitting.noise import Noise
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import VOIGT, AtomicGraph
from atomgraph.old_names import OldAttribute, with_old_arguments
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential


@with_old_arguments
class LinearProblem:
    """Design matrix X, targets y and row weights of structures, for the linear weights of a potential.

    A target is a label minus the prediction with zero linear weights. This prediction consists of E0, shift, repulsion and
    non-linear readouts. The constructor sets the weights to zero; ``unknowns.assign`` sets the solution. With
    ``keep_weights``, the weights are kept, and a target is a label minus the current prediction.

    Args:
        potential: Potential; its linear weights are changed.
        noise: Expected errors of labels.
        keep_weights: Keep the current weights, and fit a correction to them.
    """

    def __init__(self, potential: Potential, noise: Noise, keep_weights: bool = False):
        self.potential, self.noise = potential, noise
        self.unknowns = LinearWeights(potential.model, keep_weights)
        self.unknowns.zero_()

    @torch.no_grad()
    def build_rows(self, batch: AtomicGraph, first_index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the rows of a batch: energies, then forces, then virials, in eV and Å. Rows of weight zero are skipped.

        Args:
            batch: Structures.
            first_index: Index of the first structure of the batch in the fit.

        Returns:
            X, (n_rows, n), y, (n_rows,), and the weights of the rows, (n_rows,).
        """
        energy, forces, virial = self.noise.weights(batch, first_index)
        needs_forces, needs_virial = bool(forces.any()), bool(virial.any())
        rows = design_matrix(self.unknowns, batch, forces=needs_forces, stress=needs_virial)
        constant = self._constant(batch, forces=needs_forces, stress=needs_virial)
        is_used = energy > 0
        parts = [(rows.energy[is_used], (batch.energy - constant["energy"])[is_used], energy[is_used])]
        if rows.forces is not None:
            is_used = forces > 0
            target = (batch.forces - constant["forces"])[is_used].flatten()
            parts.append((rows.forces[is_used].flatten(0, 1), target, forces[is_used].repeat_interleave(3)))
        if rows.stress is not None:
            is_used = virial > 0
            volumes = volume(batch)[is_used, None]
            target = (batch.stress - constant["stress"])[is_used].flatten(1)[:, list(VOIGT)] * volumes
            columns = rows.stress[is_used] * volumes[:, :, None]
            parts.append((columns.flatten(0, 1), target.flatten(), virial[is_used].repeat_interleave(6)))
        X, y, weight = zip(*parts, strict=True)
        return torch.cat(X), torch.cat(y), torch.cat(weight)

    of = OldAttribute("build_rows")

    def _constant(self, batch: AtomicGraph, *, forces: bool, stress: bool) -> dict[str, Tensor]:
        """Return the predictions of the constant part: with zero linear weights, or the current ones if ``keep_weights``.

        Returns:
            ``energy``, (n_graphs,), ``forces``, (n_atoms, 3), and ``stress``, (n_graphs, 3, 3), in eV and Å.
        """
        if not self.unknowns.is_complete:
            return self.potential.evaluate(batch, forces=forces, stress=stress)
        baseline = self.potential.model.baseline
        element = self.potential.model.element_table(batch.atomic_numbers)
        atom_energy = baseline.e0[0, element] + baseline.shift[0]
        return {
            "energy": sum_to(atom_energy, batch.graph_of_atom, batch.n_graphs),
            "forces": torch.zeros_like(batch.forces),
            "stress": torch.zeros_like(batch.stress),
        }
