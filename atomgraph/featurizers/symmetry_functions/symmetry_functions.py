"""Symmetry functions of Behler and Parrinello: sums over the neighbours of an atom, and over pairs of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, check_name
from atomgraph.featurizers.symmetry_functions.element_edit import edit_entries, function_columns
from atomgraph.featurizers.symmetry_functions.neighbour_sums import CUTOFF_FUNCTIONS, NeighbourSums, uses_moments
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
    r"""Radial (G2), wide angular (G9) and narrow angular (G3) symmetry functions of each central element.

    .. math::
        G^2 &= \sum_j e^{-\eta (r_{ij} - r_s)^2} f_c(r_{ij}) \\
        G^9 &= 2^{1-\zeta} \sum_{j<k} (1 + \lambda\cos\theta_{ijk})^\zeta\,
               e^{-\eta [(r_{ij} - r_s)^2 + (r_{ik} - r_s)^2]} f_c(r_{ij}) f_c(r_{ik}) \\
        G^3 &= 2^{1-\zeta} \sum_{j<k} (1 + \lambda\cos\theta_{ijk})^\zeta\,
               e^{-\eta [(r_{ij} - r_s)^2 + (r_{ik} - r_s)^2 + (r_{jk} - r_s)^2]} f_c(r_{ij}) f_c(r_{ik}) f_c(r_{jk})

    Columns: the radial functions of the central element in the order of ``radial``, then its angular functions in the order of
    ``angular``. An entry without ``neighbour`` is one column per element. An entry without ``neighbours`` is one column per
    unordered pair of elements (00, 01, … 11, 12, …). Elements with fewer functions have zeros in the last columns.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        radial: Mappings ``{eta, shift, centre, neighbour, cutoff}``, one per entry. ``eta`` (η, 1/Å²) is required. Defaults:
            shift r_s = 0 Å, centre and neighbour of all elements, the argument ``cutoff``. None: a default set of 16
            functions per neighbour element.
        angular: Mappings ``{eta, zeta, lambda, shift, form, centre, neighbours, cutoff}``, one per entry. ``eta``, ``zeta``
            and ``lambda`` are required; ``form`` is ``wide`` (G9, default) or ``narrow`` (G3). None: a default set of
            36 wide functions per pair of neighbour elements.
        envelope: Name of the cutoff function :math:`f_c`, in ``CUTOFF_FUNCTIONS``.
        inner_fraction: Fraction of the cutoff radius below which :math:`f_c` is 1 (n2p2's α), no unit.

    Raises:
        WiringError: If an entry is invalid, or there is no function.

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
        check_name("cutoff function", envelope, CUTOFF_FUNCTIONS)
        if radial is None:
            radial = shifted_gaussians(cutoff, 16)
        if angular is None:
            angular = angular_grid(shifted_gaussians(cutoff, 6))
        all_radial = radial_functions(radial, self.elements, self.cutoff)
        all_angular = angular_functions(angular, self.elements, self.cutoff)
        # wide functions with a small integer ζ are computed from moments of the neighbours, the others as sums over triples
        moment_functions = [[f for f in functions if uses_moments(f)] for functions in all_angular]
        triple_functions = [[f for f in functions if not uses_moments(f)] for functions in all_angular]
        self._neighbour_sums = NeighbourSums(all_radial, moment_functions, envelope, inner_fraction)
        self._triple_sums = TripleSums(triple_functions, envelope, inner_fraction) if any(triple_functions) else None
        self.functions: list[list[RadialFunction | AngularFunction]] = [
            [*radial_set, *angular_set] for radial_set, angular_set in zip(all_radial, all_angular, strict=True)
        ]
        width = max(len(functions) for functions in self.functions)
        if width == 0:
            raise WiringError("there is no symmetry function; add at least one, radial or angular")
        self.irreps_out = o3.Irreps(f"{width}x0e")
        self._columns: Tensor  # column of each function in the table of all sums, (n_elements, width)
        self.register_buffer("_columns", torch.tensor(self._table_columns(width)), persistent=False)
        self._equal_sets = all(torch.equal(row, self._columns[0]) for row in self._columns)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because symmetry functions have no weights."""
        return {}

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments with the entries of the new elements."""
        arguments = super().element_arguments(edit)
        return arguments | {key: edit_entries(arguments[key], edit) for key in ("radial", "angular")}

    def element_columns(self, new_part: Any, edit: ElementEdit) -> FeatureColumns | None:
        """Relation of the columns of the old functions to the columns of the new functions."""
        return function_columns(self.functions, new_part.functions, new_part.irreps_out.dim, self.irreps_out.dim, edit)

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, n_functions), without unit."""
        edges = edges.within(self.cutoff)
        tables = [self._neighbour_sums(edges)]
        if self._triple_sums is not None:
            tables.append(self._triple_sums(edges))
        table = torch.cat([*tables, edges.length.new_zeros(edges.n_atoms, 1)], dim=1)
        if self._equal_sets:
            return table.index_select(1, self._columns[0])
        return table.gather(1, self._columns[edges.element])

    def _table_columns(self, width: int) -> list[list[int]]:
        """Column of each function of each element in the table of all sums; the last column of the table is zero."""
        neighbour_sums = self._neighbour_sums
        columns: dict[tuple[int, Any], int] = dict(neighbour_sums.columns)
        zero_column = neighbour_sums.width
        if self._triple_sums is not None:
            columns |= {key: neighbour_sums.width + column for key, column in self._triple_sums.columns.items()}
            zero_column += self._triple_sums.width
        rows = [[columns[centre, f] for f in functions] for centre, functions in enumerate(self.functions)]
        return [row + [zero_column] * (width - len(row)) for row in rows]
