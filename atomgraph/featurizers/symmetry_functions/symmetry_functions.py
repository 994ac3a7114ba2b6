"""Behler and Parrinello's symmetry functions: what an atom sees, as sums over its neighbours and their angles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.featurizers.symmetry_functions.element_edit import entries_for, function_columns
from atomgraph.featurizers.symmetry_functions.neighbour_sums import CUTOFF_FUNCTIONS, NeighbourSums, by_moments
from atomgraph.featurizers.symmetry_functions.sets import (
    AngularFunction,
    Entry,
    RadialFunction,
    angular_functions,
    angular_grid,
    radial_functions,
    shifted_gaussians,
)
from atomgraph.featurizers.symmetry_functions.triple_sums import TripleSums
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit, FeatureColumns
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.protocols import Featurizer


class SymmetryFunctions(Featurizer):
    r"""Radial (G2), wide (G9) and narrow (G3) angular symmetry functions per central element.

    .. math::
        G^2 &= \sum_j e^{-\eta (r_{ij} - r_s)^2} f_c(r_{ij}) \\
        G^9 &= 2^{1-\zeta} \sum_{j<k} (1 + \lambda\cos\theta_{ijk})^\zeta\,
               e^{-\eta [(r_{ij} - r_s)^2 + (r_{ik} - r_s)^2]} f_c(r_{ij}) f_c(r_{ik}) \\
        G^3 &= 2^{1-\zeta} \sum_{j<k} (1 + \lambda\cos\theta_{ijk})^\zeta\,
               e^{-\eta [(r_{ij} - r_s)^2 + (r_{ik} - r_s)^2 + (r_{jk} - r_s)^2]} f_c(r_{ij}) f_c(r_{ik}) f_c(r_{jk})

    Columns: an atom's radial functions in the order of ``radial``, then its angular ones in the order of ``angular``. An entry
    that leaves ``neighbour`` (``neighbours``) open is one column per element (per unordered pair: 00, 01, … 11, 12, …).
    Where central elements have sets of different size, the shorter rows end in zeros.

    Args:
        elements: Chemical symbols.
        cutoff: Å.
        radial: ``{eta, shift, centre, neighbour, cutoff}`` each, η in 1/Å²; only ``eta`` must be given (shift 0, every
            element).
        angular: ``{eta, zeta, lambda, shift, form, centre, neighbours, cutoff}`` each; ``eta``, ``zeta`` and ``lambda``
            must be given, ``form`` is ``wide`` (G9) or ``narrow`` (G3). None stands for the usual set of the kind.
        envelope: A name in ``CUTOFF_FUNCTIONS``.
        inner_fraction: The inner fraction of the cutoff where it stays 1 (n2p2's α).

    Raises:
        WiringError: For an entry that makes no function.

    Source: Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007); Behler, J. Chem. Phys. 134, 074106 (2011).
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        radial: Sequence[Entry] | None = None,
        angular: Sequence[Entry] | None = None,
        envelope: str = "quintic",
        inner_fraction: float = 0.0,
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        if not 0 < self.cutoff < float("inf"):
            raise WiringError(f"the cutoff of symmetry functions should be positive, in Å, but is {cutoff}")
        if envelope not in CUTOFF_FUNCTIONS:
            raise WiringError(f"unknown cutoff function {envelope!r}{nearest(envelope, CUTOFF_FUNCTIONS)}")
        if radial is None:
            radial = shifted_gaussians(cutoff, 16)
        if angular is None:
            angular = angular_grid(shifted_gaussians(cutoff, 6))
        around = radial_functions(radial, self.elements, self.cutoff)
        bent = angular_functions(angular, self.elements, self.cutoff)
        wide = [[f for f in functions if by_moments(f)] for functions in bent]
        rest = [[f for f in functions if not by_moments(f)] for functions in bent]
        self._neighbour_sums = NeighbourSums(around, wide, envelope, inner_fraction)
        self._triple_sums = TripleSums(rest, envelope, inner_fraction) if any(rest) else None
        self.functions: list[list[RadialFunction | AngularFunction]] = [
            [*of_radius, *of_angle] for of_radius, of_angle in zip(around, bent, strict=True)
        ]
        width = max(len(functions) for functions in self.functions)
        if width == 0:
            raise WiringError("there is no symmetry function at all; name at least one, radial or angular")
        self.irreps_out = o3.Irreps(f"{width}x0e")
        self._columns: Tensor
        self.register_buffer("_columns", torch.tensor(self._places(width)), persistent=False)
        self._one_set = all(torch.equal(row, self._columns[0]) for row in self._columns)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """None: functions have no weights."""
        return {}

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With the entries of the new elements."""
        arguments = super().element_arguments(edit)
        return arguments | {key: entries_for(arguments[key], edit) for key in ("radial", "angular")}

    def element_columns(self, new: Any, edit: ElementEdit) -> FeatureColumns | None:
        """Columns follow their functions."""
        functions = new.functions
        return function_columns(self.functions, functions, new.irreps_out.dim, self.irreps_out.dim, edit)

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_functions), without unit."""
        edges = edges.within(self.cutoff)
        tables = [self._neighbour_sums(edges)]
        if self._triple_sums is not None:
            tables.append(self._triple_sums(edges))
        table = torch.cat([*tables, edges.length.new_zeros(edges.n_atoms, 1)], dim=1)
        if self._one_set:
            return table.index_select(1, self._columns[0])
        return table.gather(1, self._columns[edges.element])

    def _places(self, width: int) -> list[list[int]]:
        """Where the table holds each column of each element; its last column is zero, for padding."""
        around = self._neighbour_sums
        places: dict[tuple[int, Any], int] = dict(around.columns)
        padding = around.width
        if self._triple_sums is not None:
            places |= {key: around.width + column for key, column in self._triple_sums.columns.items()}
            padding += self._triple_sums.width
        rows = [[places[centre, f] for f in functions] for centre, functions in enumerate(self.functions)]
        return [row + [padding] * (width - len(row)) for row in rows]
