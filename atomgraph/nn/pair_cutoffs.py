"""Cutoff radii of pairs of elements, smaller than the cutoff of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part


class PairCutoffs(Float64Buffers, Part):
    r"""Distances relative to the cutoffs of pairs of elements, :math:`r_{ij}\, r_c / r_c^{z_i z_j}`.

    The result is :math:`r_c` at the cutoff of the pair, so that functions which vanish at :math:`r_c` vanish there. The order
    of the pair matters: :math:`z_i` is the element of the central atom.

    Args:
        elements: Chemical symbols.
        cutoff: Largest cutoff :math:`r_c`, Å, for pairs that are missing in ``pairs``.
        pairs: For the element of the central atom, one cutoff for all neighbours, or cutoffs by the element of the neighbour,
            Å: ``{"H": 2.5, "O": {"H": 3.0, "O": 4.5}}``.

    Raises:
        WiringError: If a symbol is unknown, or a cutoff is not positive or larger than ``cutoff``.

    Source: Batzner et al., Nat. Commun. 13, 2453 (2022); the program nequip, ``per_edge_type_cutoff``.
    """

    scale: Tensor
    _always_double = ("scale",)

    def __init__(self, elements: Sequence[str], cutoff: float, pairs: Mapping[str, Any]):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        table = torch.full((len(self.elements), len(self.elements)), self.cutoff, dtype=torch.float64)
        for centre, radii in pairs.items():
            row = self._row(centre)
            if isinstance(radii, Mapping):
                for neighbour, radius in radii.items():
                    table[row, self._row(neighbour)] = self._checked_cutoff(radius, f"{centre}-{neighbour}")
            else:
                table[row] = self._checked_cutoff(radii, centre)
        self.register_buffer("scale", self.cutoff / table, persistent=False)

    @property
    def table(self) -> Tensor:
        """Cutoffs, (n_elements of the centre, n_elements of the neighbour), Å, float64."""
        return self.cutoff / self.scale

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments for changed elements; a new element has the cutoffs of the element that it copies."""
        table = self.table
        rows = list(zip(edit.names, edit.rows, strict=True))  # new element, row of the element that it copies
        pairs = {centre: {neighbour: float(table[i, j]) for neighbour, j in rows} for centre, i in rows}
        return super().element_arguments(edit) | {"pairs": pairs}

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because cutoffs are not weights."""
        return {}

    def forward(self, edges: Edges) -> Tensor:
        """Return the relative distance of each edge, (n_edges,), Å."""
        scale = self.scale[edges.element_of_centre, edges.element_of_neighbour]
        return edges.length * scale.to(edges.length.dtype)

    def _row(self, symbol: str) -> int:
        """Return the row of an element; WiringError if the symbol is unknown."""
        if symbol not in self.elements:
            raise WiringError(
                f"a pair cutoff names {symbol!r}, which is no element of the model{nearest(symbol, self.elements)}"
            )
        return self.elements.index(symbol)

    def _checked_cutoff(self, radius: Any, pair: str) -> float:
        """Return the cutoff of a pair, Å; WiringError if it is not positive or too large."""
        if isinstance(radius, bool) or not isinstance(radius, int | float) or not 0 < radius <= self.cutoff:
            raise WiringError(f"the cutoff of {pair} should be positive and at most {self.cutoff} Å, but is {radius!r}")
        return float(radius)
