"""The density of neighbours by which a frozen interaction divides, from tables."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from atomgraph.compiled.function_pointers import DOUBLE, INT, LONG, POINTER
from atomgraph.compiled.fused_pair import PairSums
from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.compiled.pullback import Pullback
from atomgraph.compiled.radial_tables import TOLERANCE, Grid, PairTables, density_of, is_pairwise, pairs_of
from atomgraph.layers.mace.interaction import Interaction


class FusedDensity(PairSums):
    r""":math:`\rho_i = \sum_j q(r_{ij})`, from tables of q."""

    name = "tabulated"
    types = POINTER, INT, LONG, DOUBLE

    def __init__(self, interaction: Interaction, grid: Grid):
        self._interaction, self.is_pairwise = interaction, is_pairwise(interaction)
        tolerance = TOLERANCE[torch.float64]
        self._tables = PairTables(
            partial(density_of, interaction), grid, tolerance, lambda table: table[:, :, 0].contiguous()
        )

    def __call__(self, kernel_graph: KernelGraph) -> tuple[Tensor, Pullback]:
        """The density, (n_atoms,), in the dtype of the edge vectors, and its VJP."""
        density, vjp = super().__call__(kernel_graph)
        return density.to(kernel_graph.vector.dtype), vjp

    def constants(self, present: tuple[int, ...]) -> tuple[Any, ...]:
        """Tables of the pairs, their degree and number of pieces, and the cutoff."""
        of_pairs, grid = self._tables.of(pairs_of(self._interaction, list(present)))
        return torch.stack(of_pairs), grid.degree, grid.n_pieces, grid.cutoff
