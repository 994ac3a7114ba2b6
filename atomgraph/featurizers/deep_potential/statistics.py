"""Mean and standard deviation of environment matrices in the training data, by element of the centre."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.featurizers.deep_potential.nearest_neighbours import count_by_element
from atomgraph.nn.edges import Edges
from atomgraph.ops.scatter import sum_to

_MIN_STD = 0.01  # lower limit of standard deviations, as in deepmd-kit


class EnvironmentStatistics:
    """Sums of environment matrices over batches, by element of the centre; float64.

    Args:
        n_elements: Number of elements of the model.
    """

    def __init__(self, n_elements: int):
        self._sums = torch.zeros(n_elements, 5, dtype=torch.float64)
        self._max_neighbours = torch.zeros(n_elements, dtype=torch.int64)

    def add(self, edges: Edges, rows: Tensor) -> None:
        """Add a batch.

        Args:
            edges: Edges of the batch.
            rows: Rows of the environment matrices before normalisation, (n_edges, 4), 1/Å.
        """
        rows = rows.detach().double()
        radial, angular = rows[:, 0], rows[:, 1:]
        columns = [radial, radial.square(), angular.sum(dim=1), angular.square().sum(dim=1)]
        sums = sum_to(torch.stack(columns, dim=1), edges.element_of_centre, edges.n_elements)
        n_atoms = torch.bincount(edges.element, minlength=edges.n_elements).to(sums)
        self._sums = self._sums.to(sums.device) + torch.cat([n_atoms[:, None], sums], dim=1)
        if edges.n_atoms:
            largest = count_by_element(edges).amax(dim=0)
            self._max_neighbours = torch.maximum(self._max_neighbours.to(largest.device), largest)

    @property
    def max_neighbours(self) -> Tensor:
        """Largest number of neighbours of each element, at least 1, (n_elements,), float64."""
        return self._max_neighbours.clamp(min=1).double()

    def results(self, n_slots: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute means and standard deviations over all slots of all atoms, empty slots included.

        Args:
            n_slots: Number of slots of an atom.

        Returns:
            Whether the data contain an element, bool; mean and standard deviation of the radial column; standard deviation of
            the angular columns; (n_elements,) each.
        """
        n_atoms, sum_r, squares_r, sum_a, squares_a = self._sums.unbind(dim=1)  # r: radial column, a: angular columns
        n = (n_atoms * n_slots).clamp(min=1.0)
        mean, mean_a = sum_r / n, sum_a / (3.0 * n)
        std = (squares_r / n - mean.square()).clamp(min=0.0).sqrt().clamp(min=_MIN_STD)
        std_a = (squares_a / (3.0 * n) - mean_a.square()).clamp(min=0.0).sqrt().clamp(min=_MIN_STD)
        return n_atoms > 0, mean, std, std_a
