"""Radial density: sums of radial functions over the neighbours of each element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, check_name
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit, FeatureColumns
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.envelope import checked_envelope, edge_envelope
from atomgraph.nn.protocols import Featurizer
from atomgraph.ops.radial_basis import BASES
from atomgraph.ops.scatter import sum_to


class RadialDensity(Featurizer):
    r"""Sums of radial functions over the neighbours of each element e, and a one-hot encoding of the atom's element.

    .. math:: h_{i,(e,n)} = \sum_j [z_j = e]\, f(r_{ij})\, R_n(r_{ij}), \qquad h_{i,e} = [z_i = e]

    Columns: n_radial sums for each element, n changes fastest; then one column per element for the one-hot encoding. Without
    the encoding, atoms of different elements with equal neighbours would have equal features.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        n_radial: Number of radial functions per element.
        basis: Radial basis R: ``bessel``, ``gaussian`` or ``chebyshev``.
        envelope: Cutoff envelope f: ``polynomial``, ``cosine``, ``tanh_cubed`` or ``exponential``.

    Raises:
        WiringError: If a name or symbol is unknown, or cutoff or n_radial is not positive.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        n_radial: int = 8,
        basis: str = "bessel",
        envelope: str = "polynomial",
    ):
        super().__init__()
        check_name("radial basis", basis, BASES)
        if not cutoff > 0 or n_radial < 1:
            raise WiringError(f"cutoff and n_radial must be positive, but are {cutoff} Å and {n_radial}")
        self.elements = checked_symbols(elements)
        self.cutoff, self.n_radial, self.basis, self.envelope = (
            float(cutoff),
            n_radial,
            basis,
            checked_envelope(envelope),
        )
        self.irreps_out = o3.Irreps(f"{len(self.elements) * (n_radial + 1)}x0e")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because radial functions have no weights."""
        return {}

    def element_columns(self, new_part: Any, edit: ElementEdit) -> FeatureColumns | None:
        """Return how the new feature columns follow from the old ones.

        Columns of removed elements are dropped, and columns of copied elements are repeated.

        Args:
            new_part: The featurizer for the new elements; not used.
            edit: Change of the elements.
        """
        n, n_old = self.n_radial, len(edit.old_names)
        columns = [row * n + k for row in edit.rows for k in range(n)] + [n_old * n + row for row in edit.rows]
        constants = torch.zeros(len(edit.rows), n_old * (n + 1), dtype=torch.float64)  # no old column is constant
        return FeatureColumns([[(column, 1.0) for column in columns]] * len(edit.rows), constants)

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, n_elements · (n_radial + 1)), invariant scalars."""
        basis, cutoff = BASES[self.basis], self.cutoff
        envelope = edge_envelope(edges, self.envelope, cutoff)
        key = (self.basis, self.n_radial, cutoff)
        radial = edges.cached(key, lambda: basis(edges.length, self.n_radial, cutoff))  # (n_edges, n_radial)
        row = edges.centre * edges.n_elements + edges.element_of_neighbour
        density = sum_to(envelope[:, None] * radial, row, edges.n_atoms * edges.n_elements)
        one_hot = torch.nn.functional.one_hot(edges.element, edges.n_elements)
        return torch.cat([density.reshape(edges.n_atoms, -1), one_hot.to(density.dtype)], dim=1)
