"""Weighted residuals of energies, forces and virials, and their Jacobian with respect to all weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.fitting.noise import Noise
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import VOIGT, AtomicGraph
from atomgraph.old_names import OldAttribute, with_old_arguments
from atomgraph.potential import Potential

EDGE_ROWS_PER_PASS = 12_000  # edges times rows of one batched backward pass; larger passes are slower
MAX_ROWS_PER_PASS = 64  # largest number of rows of one batched backward pass


class ResidualJacobian:
    r"""Weighted residuals and their Jacobian, :math:`r_k = (y_k - f_k(\theta)) / \sigma_k` and
    :math:`J_{kp} = \partial f_k / \partial \theta_p / \sigma_k`, with labels y, predictions f and expected errors σ.

    Rows k are energies (eV), components of forces (eV/Å) and of virials (eV). Rows without label or sigma are skipped.
    The n parameters p are the trainable weights of the model, then E0 of one head for each element (eV). With
    ``Baseline(exact_isolated=True)``, the derivatives with respect to E0 are zero, so E0 does not change.

    Args:
        potential: Potential in float64.
        noise: Expected errors of labels.
        head: Name of the head whose E0 is a parameter.
    """

    def __init__(self, potential: Potential, noise: Noise, head: str):
        self.potential, self.noise = potential, noise
        self._head_row = potential.heads.index(head)
        self.weights = [weight for weight in potential.model.parameters() if weight.requires_grad]
        self.n_elements = len(potential.elements)
        self.n = sum(weight.numel() for weight in self.weights) + self.n_elements

    def n_rows(self, graphs: Sequence[AtomicGraph]) -> int:
        """Return the total number of rows of the structures."""
        return sum(self._n_rows(graph, index) for index, graph in enumerate(graphs))

    @with_old_arguments
    def rows(self, graph: AtomicGraph, index: int) -> tuple[Tensor, Tensor]:
        """Return J, (n_rows, n), and r, (n_rows,), of one structure.

        Args:
            graph: Structure.
            index: Index of the structure in the fit.
        """
        graph = graph.to(self.potential.device)
        was_training = self.potential.training
        self.potential.train()  # so that forces can be differentiated
        try:
            predicted, label, inverse_sigma = self._rows(graph, index)
        finally:
            self.potential.train(was_training)
        rows_per_pass = min(max(EDGE_ROWS_PER_PASS // max(graph.n_edges, 1), 1), MAX_ROWS_PER_PASS)
        weight_columns = self._jacobian(predicted * inverse_sigma, rows_per_pass)
        e0_columns = weight_columns.new_zeros(len(inverse_sigma), self.n_elements)
        has_energy = bool(self.noise.weights(graph, index)[0] > 0)  # if True, the energy is the first row
        if has_energy and not self.potential.model.baseline.exact_isolated:
            counts = torch.bincount(self.potential.model.element_table(graph.atomic_numbers), minlength=self.n_elements)
            e0_columns[0] = counts * inverse_sigma[0]
        return torch.cat([weight_columns, e0_columns], 1), ((label - predicted) * inverse_sigma).detach()

    @with_old_arguments
    def residuals(self, batch: AtomicGraph, first_index: int) -> Tensor:
        """Return r of a batch, (n_rows,).

        Args:
            batch: Structures.
            first_index: Index of the first structure of the batch in the fit.
        """
        predicted, label, inverse_sigma = self._rows(batch.to(self.potential.device), first_index)
        return ((label - predicted) * inverse_sigma).detach()

    @property
    def parameters(self) -> Tensor:
        """Weights and E0, (n,)."""
        e0 = self.potential.model.baseline.e0[self._head_row]
        return torch.cat([*(weight.detach().flatten() for weight in self.weights), e0])

    @torch.no_grad()
    def set_parameters(self, values: Tensor) -> None:
        """Set the weights and E0, (n,)."""
        *parts, e0 = values.split([*(weight.numel() for weight in self.weights), self.n_elements])
        for weight, part in zip(self.weights, parts, strict=True):
            weight.copy_(part.view_as(weight))
        self.potential.model.baseline.e0[self._head_row] = e0

    def _n_rows(self, graph: AtomicGraph, index: int) -> int:
        energy, forces, virial = self.noise.weights(graph, index)
        return int((energy > 0).sum() + 3 * (forces > 0).sum() + 6 * (virial > 0).sum())

    def _rows(self, batch: AtomicGraph, first_index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return predictions, labels and 1/sigma of the rows of a batch, each (n_rows,)."""
        energy, forces, virial = self.noise.weights(batch, first_index)
        needs_forces, needs_virial = bool(forces.any()), bool(virial.any())
        result = self.potential(batch, forces=needs_forces, stress=needs_virial)
        parts = [(result["energy"], batch.energy, energy)]
        if needs_forces:
            parts.append((result["forces"].flatten(), batch.forces.flatten(), forces.repeat_interleave(3)))
        if needs_virial:
            volumes, voigt = volume(batch)[:, None], list(VOIGT)
            virial_predicted = result["stress"].flatten(1)[:, voigt] * volumes
            virial_label = batch.stress.flatten(1)[:, voigt] * volumes
            parts.append((virial_predicted.flatten(), virial_label.flatten(), virial.repeat_interleave(6)))
        predicted, label, inverse_sigma = (torch.cat(column) for column in zip(*parts, strict=True))
        is_used = inverse_sigma > 0
        return predicted[is_used], label[is_used], inverse_sigma[is_used]

    def _jacobian(self, values: Tensor, rows_per_pass: int) -> Tensor:
        """Return the Jacobian of values, (n_rows,), with respect to the weights, (n_rows, n_weights).

        Args:
            values: Values that depend on the weights, (n_rows,).
            rows_per_pass: Number of rows in one backward pass.
        """
        n_weights = self.n - self.n_elements
        if not values.requires_grad:  # isolated atoms have no trainable energy
            return values.new_zeros(len(values), n_weights)
        chunks = []
        for part in values.split(rows_per_pass):
            unit_rows = torch.eye(len(part), dtype=values.dtype, device=values.device)
            gradients = torch.autograd.grad(
                part, self.weights, unit_rows, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
            flat_gradients = [
                values.new_zeros(len(part), weight.numel()) if gradient is None else gradient.flatten(1)
                for gradient, weight in zip(gradients, self.weights, strict=True)
            ]
            chunks.append(torch.cat(flat_gradients, 1))
        return torch.cat(chunks) if chunks else values.new_zeros(0, n_weights)

    place = OldAttribute("parameters")
    go_to = OldAttribute("set_parameters")
