"""Weighted residuals and their Jacobian with respect to all weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.fitting.noise import Noise
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import VOIGT, AtomicGraph
from atomgraph.potential import Potential

EDGES_AT_ONCE = 12_000  # edges times rows of one batched backward pass; larger batches are slower
MOST_AT_ONCE = 64


class ResidualJacobian:
    r"""Weighted residuals and their Jacobian, :math:`r_k = (y_k - f_k(\theta)) / \sigma_k` and
    :math:`J_{kp} = \partial f_k / \partial \theta_p / \sigma_k`.

    Rows k are energies (eV), components of forces (eV/Å) and of virials (eV); rows without label or sigma are left out.
    Parameters p are the trainable weights of the model, then E0 of one head by element, eV. E0 is constant if isolated atoms
    have exactly E0.

    Args:
        potential: The potential, float64.
        noise: Expected errors of labels.
        head: The head of E0.
    """

    def __init__(self, potential: Potential, noise: Noise, head: str):
        self.potential, self.noise = potential, noise
        self.head = potential.heads.index(head)
        self.weights = [weight for weight in potential.model.parameters() if weight.requires_grad]
        self.n_elements = len(potential.elements)
        self.n = sum(weight.numel() for weight in self.weights) + self.n_elements

    def n_rows(self, graphs: Sequence[AtomicGraph]) -> int:
        """Number of rows of these structures."""
        return sum(self._n_rows(graph, first) for first, graph in enumerate(graphs))

    def rows(self, graph: AtomicGraph, first: int) -> tuple[Tensor, Tensor]:
        """J (rows, n) and r (rows,) of one structure.

        Args:
            first: The number of the structure in the fit.
        """
        graph = graph.to(self.potential.device)
        was_training = self.potential.training
        self.potential.train()  # so that forces can be differentiated
        try:
            predicted, label, weight = self._predicted(graph, first)
        finally:
            self.potential.train(was_training)
        at_once = min(max(EDGES_AT_ONCE // max(graph.n_edges, 1), 1), MOST_AT_ONCE)
        of_weights = self._jacobian(predicted * weight, at_once)
        of_e0 = of_weights.new_zeros(len(weight), self.n_elements)
        has_energy = bool(self.noise.weights(graph, first)[0] > 0)  # then the energy is the first row
        if has_energy and not self.potential.model.baseline.exact_isolated:
            counts = torch.bincount(self.potential.model.element_table(graph.atomic_numbers), minlength=self.n_elements)
            of_e0[0] = counts * weight[0]
        return torch.cat([of_weights, of_e0], 1), ((label - predicted) * weight).detach()

    def residuals(self, batch: AtomicGraph, first: int) -> Tensor:
        """r (rows,) of a batch.

        Args:
            first: The number of its first structure in the fit.
        """
        predicted, label, weight = self._predicted(batch.to(self.potential.device), first)
        return ((label - predicted) * weight).detach()

    @property
    def parameters(self) -> Tensor:
        """The weights and E0, (n,)."""
        e0 = self.potential.model.baseline.e0[self.head]
        return torch.cat([*(weight.detach().flatten() for weight in self.weights), e0])

    @torch.no_grad()
    def set_parameters(self, values: Tensor) -> None:
        """Set the weights and E0, (n,)."""
        *parts, e0 = values.split([*(weight.numel() for weight in self.weights), self.n_elements])
        for weight, part in zip(self.weights, parts, strict=True):
            weight.copy_(part.view_as(weight))
        self.potential.model.baseline.e0[self.head] = e0

    def _n_rows(self, graph: AtomicGraph, first: int) -> int:
        energy, forces, virial = self.noise.weights(graph, first)
        return int((energy > 0).sum() + 3 * (forces > 0).sum() + 6 * (virial > 0).sum())

    def _predicted(self, batch: AtomicGraph, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Predictions, labels and 1/sigma of the rows, (rows,) each."""
        energy, forces, virial = self.noise.weights(batch, first)
        with_forces, with_virial = bool(forces.any()), bool(virial.any())
        result = self.potential(batch, forces=with_forces, stress=with_virial)
        parts = [(result["energy"], batch.energy, energy)]
        if with_forces:
            parts.append((result["forces"].flatten(), batch.forces.flatten(), forces.repeat_interleave(3)))
        if with_virial:
            size, six = volume(batch)[:, None], list(VOIGT)
            of_six = (result["stress"].flatten(1)[:, six] * size, batch.stress.flatten(1)[:, six] * size)
            parts.append((of_six[0].flatten(), of_six[1].flatten(), virial.repeat_interleave(6)))
        predicted, label, weight = (torch.cat(column) for column in zip(*parts, strict=True))
        kept = weight > 0
        return predicted[kept], label[kept], weight[kept]

    def _jacobian(self, values: Tensor, at_once: int) -> Tensor:
        """Jacobian of values (rows,) with respect to the weights, (rows, n_weights), ``at_once`` rows in one backward pass."""
        n_weights = self.n - self.n_elements
        if not values.requires_grad:  # isolated atoms have no trainable energy
            return values.new_zeros(len(values), n_weights)
        chunks = []
        for portion in values.split(at_once):
            each = torch.eye(len(portion), dtype=values.dtype, device=values.device)
            result = torch.autograd.grad(
                portion, self.weights, each, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
            flat = [
                values.new_zeros(len(portion), weight.numel()) if gradient is None else gradient.flatten(1)
                for gradient, weight in zip(result, self.weights, strict=True)
            ]
            chunks.append(torch.cat(flat, 1))
        return torch.cat(chunks) if chunks else values.new_zeros(0, n_weights)
