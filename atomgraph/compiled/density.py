"""The density of neighbours that a frozen interaction divides by, as a spline."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from atomgraph.compiled.frame import Frame
from atomgraph.compiled.radial import FIRST, TOLERANCE, Grid, PairTables, density_of, is_pairwise, pairs_of
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.ops.hermite import hermite_basis


class FusedDensity:
    r""":math:`\rho_i = \sum_j q(r_{ij})`, float64."""

    def __init__(self, interaction: Interaction, grid: Grid):
        self._interaction, self._pairwise = interaction, is_pairwise(interaction)
        function_of, tolerance = partial(density_of, interaction), TOLERANCE[torch.float64]
        self._tables = PairTables(function_of, grid, tolerance, lambda table: table[:, :, 0])

    def __call__(self, frame: Frame, vector: Tensor) -> Tensor:
        """(n_atoms, 1) in the dtype of the vectors, (n_edges, 3)."""
        tables = torch.stack(
            self._tables.of(pairs_of(self._interaction, frame.present))
        )  # (n_kinds², n_knots, derivatives)
        grid = self._tables.grid
        centre, neighbour = frame.centre.long(), frame.neighbour.long()
        place = (torch.linalg.vector_norm(vector, dim=1).double() - FIRST) / grid.step
        below = place.detach().nan_to_num().long().clamp(0, grid.number - 2)
        rows = tables.flatten(0, 1)
        if self._pairwise:
            kind = frame.kind.long()
            first = (kind[centre] * len(frame.present) + kind[neighbour]) * grid.number + below
        else:
            first = below
        known = torch.cat([rows[first], rows[first + 1]], dim=1)
        of_edge = (hermite_basis(place - below, grid.derivatives) * known).sum(dim=1)
        total = of_edge.new_zeros(frame.n_atoms).index_add(0, centre, of_edge)
        return total.to(vector.dtype)[:, None]
