"""The density of neighbours that a frozen interaction divides by, as a spline."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from atomgraph.compiled.frame import Frame
from atomgraph.compiled.pullback import Pullback, differentiated
from atomgraph.compiled.radial import TOLERANCE, Grid, PairTables, density_of, is_pairwise, pairs_of
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.ops.piecewise import piecewise


class FusedDensity:
    r""":math:`\rho_i = \sum_j q(r_{ij})`, float64."""

    def __init__(self, interaction: Interaction, grid: Grid):
        self._interaction, self._pairwise = interaction, is_pairwise(interaction)
        function_of, tolerance = partial(density_of, interaction), TOLERANCE[torch.float64]
        self._tables = PairTables(function_of, grid, tolerance, lambda table: table[:, :, 0])

    def __call__(self, frame: Frame) -> tuple[Tensor, Pullback]:
        """(n_atoms,) in the dtype of the edge vectors; from slopes by it to slopes by these."""
        return differentiated(lambda vector: self._of(frame, vector), frame.vector)

    def _of(self, frame: Frame, vector: Tensor) -> Tensor:
        of_pairs, grid = self._tables.of(pairs_of(self._interaction, frame.present))
        tables = torch.stack(of_pairs)  # (n_kinds², n_pieces, powers)
        centre, neighbour = frame.centre.long(), frame.neighbour.long()
        piece, s, _ = grid.place(torch.linalg.vector_norm(vector, dim=1).double())
        first = piece
        if self._pairwise:
            kind = frame.kind.long()
            first = piece + (kind[centre] * len(frame.present) + kind[neighbour]) * grid.n_pieces
        of_edge = piecewise(tables.flatten(0, 1)[:, :, None], first, s)[0][:, 0]
        total = of_edge.new_zeros(frame.n_atoms).index_add(0, centre, of_edge)
        return total.to(vector.dtype)
