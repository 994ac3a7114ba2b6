"""The density of neighbours of a frozen interaction, by a kernel with tables."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from atomgraph.compiled.fused_pair import PairSums
from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.compiled.mace.interaction_weights import density_function, element_pairs, is_pairwise
from atomgraph.compiled.pullback import Pullback
from atomgraph.compiled.radial_tables import TOLERANCE, Grid, PairTables
from atomgraph.kernels.function_pointers import DOUBLE, INT, LONG, POINTER
from atomgraph.layers.mace.interaction import Interaction


class FusedDensity(PairSums):
    r"""The density :math:`\rho_i = \sum_j q(r_{ij})`, by a kernel with tables of q.

    Args:
        interaction: The interaction, in float64.
        grid: Initial grid of the tables.
    """

    name = "tabulated"
    types = POINTER, INT, LONG, DOUBLE

    def __init__(self, interaction: Interaction, grid: Grid):
        self._interaction, self.is_pairwise = interaction, is_pairwise(interaction)
        tolerance = TOLERANCE[torch.float64]
        self._tables = PairTables(
            partial(density_function, interaction), grid, tolerance, lambda table: table[:, :, 0].contiguous()
        )

    def __call__(self, kernel_graph: KernelGraph) -> tuple[Tensor, Pullback]:
        """Return the density, (n_atoms,), in the dtype of the edge vectors, and its VJP."""
        density, vjp = super().__call__(kernel_graph)
        return density.to(kernel_graph.vector.dtype), vjp

    def constants(self, element_rows: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the tables of the pairs, the degree and number of their polynomials, and the cutoff, Å."""
        tables, grid = self._tables.get_tables(element_pairs(self._interaction, list(element_rows)))
        return torch.stack(tables), grid.degree, grid.n_pieces, grid.cutoff
