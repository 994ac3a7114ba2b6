"""The density of neighbours that a frozen interaction divides by, as a spline."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.compiled.frame import Frame
from atomgraph.compiled.radial import FIRST, TOLERANCE, Grid, converged, density_of, is_pairwise, pairs_of
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.ops.hermite import hermite_basis


class FusedDensity:
    r""":math:`\rho_i = \sum_j q(r_{ij})`, float64."""

    def __init__(self, interaction: Interaction, grid: Grid):
        self._interaction, self._grid, self._pairwise = interaction, grid, is_pairwise(interaction)
        self._tables: dict[tuple[int, int], Tensor] = {}

    def __call__(self, frame: Frame, vector: Tensor) -> Tensor:
        """(n_atoms, 1) in the dtype of the vectors, (n_edges, 3)."""
        pairs = pairs_of(self._interaction, frame.present)
        for pair in pairs:
            self._table(*pair)
        tables = torch.stack([self._table(*pair) for pair in pairs])  # (n_kinds², n_knots, derivatives)
        centre, neighbour = frame.centre.long(), frame.neighbour.long()
        place = (torch.linalg.vector_norm(vector, dim=1).double() - FIRST) / self._grid.step
        below = place.detach().nan_to_num().long().clamp(0, self._grid.number - 2)
        rows = tables.flatten(0, 1)
        if self._pairwise:
            kind = frame.kind.long()
            first = (kind[centre] * len(frame.present) + kind[neighbour]) * self._grid.number + below
        else:
            first = below
        known = torch.cat([rows[first], rows[first + 1]], dim=1)
        of_edge = (hermite_basis(place - below, self._grid.derivatives) * known).sum(dim=1)
        total = of_edge.new_zeros(frame.n_atoms).index_add(0, centre, of_edge)
        return total.to(vector.dtype)[:, None]

    def _table(self, i: int, j: int) -> Tensor:
        while (i, j) not in self._tables:
            function = density_of(self._interaction, i, j)
            table, grid, _ = converged(function, self._grid, TOLERANCE[torch.float64])
            if grid != self._grid:  # all pairs share one grid
                self._grid, self._tables = grid, {}
            self._tables[i, j] = table[:, :, 0]
        return self._tables[i, j]
