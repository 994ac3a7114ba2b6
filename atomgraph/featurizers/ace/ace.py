"""Atomic cluster expansion: invariant products of the neighbour densities of an atom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.ace.bonds import Bonds
from atomgraph.featurizers.ace.element_edit import EntriesAndOrigins, edit_bonds, edit_functions
from atomgraph.featurizers.ace.functions import Factor, cluster_functions, pacemaker_functions
from atomgraph.featurizers.ace.jacobian import ClusterJacobian
from atomgraph.featurizers.ace.products import ClusterProducts
from atomgraph.featurizers.density import DensityFeaturizer, DensityTerms, JacobianBlock
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit, FeatureColumns
from atomgraph.nn.elements import checked_symbols
from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.scatter import sum_to
from atomgraph.ops.spherical import spherical_harmonics


class ACE(DensityFeaturizer):
    r"""Invariants :math:`B_{if}` of the atomic cluster expansion, with columns as in pacemaker.

    .. math::
        A_{i z n l m} &= \sum_{j:\, z_j = z} R_{nl}^{z_i z_j}(r_{ij})\, Y_{lm}(\hat r_{ij}), \qquad
        R_{nl} = \sum_k c_{nlk}\, g_k \\
        B_{if} &= \sum_{m_1 m_2 \dots} C^{l_1 l_2 \dots}_{m_1 m_2 \dots} A_{i z_1 n_1 l_1 m_1} A_{i z_2 n_2 l_2 m_2} \dots

    with up to six factors, harmonics with :math:`\sum_m Y_{lm}^2 = 2l + 1`, and generalised Clebsch-Gordan coefficients C.
    A function of one factor has :math:`g_n` instead of :math:`R_{n0}`. Columns are the functions of the central element, in
    order. Elements with fewer functions have zeros in the last columns.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        functions: Mappings ``{centre, neighbours, ns, ls, inner}``, one per function: symbol of the central element; symbol,
            n (from 1) and l of each factor; intermediate degrees (pacemaker's ``lint``). None: all functions up to ``n_max``
            and ``l_max``.
        n_max: Largest n of functions of one, two … factors if ``functions`` is None, pacemaker's ``nradmax_by_orders``.
        l_max: Largest l of functions of one, two … factors if ``functions`` is None, pacemaker's ``lmax_by_orders``.
        radial: Radial basis, a key of ``ops.radial_basis.ACE_RADIALS``.
        n_radial: Number of functions :math:`g_k`; None: the smallest number that the functions need.
        width: Width of the switching function of the basis before the cutoff, Å; None: 1 Å, or the cutoff if the cutoff is
            smaller.
        exponent: Exponent λ of ``ChebExpCos`` and ``ChebPow``, no unit.
        bonds: Mappings ``{elements, radial, cutoff, width, exponent, inner, inner_width}``, one per pair of elements (see
            ``featurizers.ace.bonds.Bonds``); None: all pairs, with the arguments above.
        learned: Train the coefficients c, which are ``bonds.coefficient``, (n_bonds, n_max, l_max + 1, n_radial).

    Raises:
        WiringError: If a function or a bond is invalid, or there is no function.

    Source: Drautz, Phys. Rev. B 99, 014104 (2019); Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021).
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        functions: Sequence[Mapping[str, Any]] | None = None,
        n_max: Sequence[int] = (8, 4, 2, 1),
        l_max: Sequence[int] = (0, 3, 2, 1),
        radial: str = "SBessel",
        n_radial: int | None = None,
        width: float | None = None,
        exponent: float = 5.25,
        bonds: Sequence[Mapping[str, Any]] | None = None,
        learned: bool = True,
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        if not 0 < self.cutoff < float("inf"):
            raise WiringError(f"the cutoff of a cluster expansion should be positive, in Å, but is {cutoff}")
        if functions is None:
            functions = pacemaker_functions(self.elements, n_max, l_max)
        self.functions = cluster_functions(functions, self.elements)
        all_functions = [function for element_functions in self.functions for function in element_functions]
        if not all_functions:
            raise WiringError("there is no cluster function; add at least one")
        n_max_single = max((max(f.ns) for f in all_functions if f.rank == 1), default=0)
        n_max_coupled = max((max(f.ns) for f in all_functions if f.rank > 1), default=0)
        n_radial = max(n_max_single, n_max_coupled) if n_radial is None else n_radial
        if n_radial < max(n_max_single, 1):
            raise WiringError(f"the functions need {n_max_single} radial functions, but n_radial is {n_radial}")
        if bonds is None:
            bond = {"radial": radial, "cutoff": self.cutoff, "exponent": exponent}
            bond["width"] = min(1.0, self.cutoff) if width is None else width
            bonds = [{"elements": list(pair)} | bond for pair in combinations_with_replacement(self.elements, 2)]
        self._l_max = max(max(f.ls) for f in all_functions)
        self.bonds = Bonds(self.elements, bonds, n_radial, n_max_coupled, self._l_max, learned)
        if self.bonds.max_cutoff > self.cutoff + 1e-12:
            raise WiringError(
                f"a bond has a cutoff of {self.bonds.max_cutoff} Å, beyond the cutoff of the expansion, {self.cutoff} Å"
            )
        self.n_channels = len(self.elements)
        # columns of the density in each channel: g_k, then R_nl Y_lm; the cluster functions are products of these columns
        self.n_functions = n_radial + n_max_coupled * (self._l_max + 1) ** 2
        self._jacobians: dict[int, ClusterJacobian] = {}
        self._products = ClusterProducts(self.functions, self._column)
        self.irreps_out = o3.Irreps(f"{self._products.width}x0e")
        degree = np.array([l for l in range(self._l_max + 1) for _ in range(2 * l + 1)])  # l of each harmonic
        single = np.arange(n_radial)
        coupled = n_radial + np.arange(n_max_coupled)[:, None] * (self._l_max + 1) + degree
        # the outer product of R_n (by l) and Y has the columns l · n_harmonics + (index of l', m'); those with l = l' are used.
        # left_column and right_column: columns of [g_k, R_nl] and of Y in each function, see DensityTerms
        self._density_columns = Constants(
            product_column=degree * len(degree) + np.arange(len(degree)),
            left_column=np.concatenate([single, coupled.ravel()]),
            right_column=np.concatenate([0 * single, np.tile(np.arange(len(degree)), n_max_coupled)]),
        )

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Coefficients of the bonds of the new elements, (n_bonds, n_max, l_max + 1, n_radial), with the n_max and l_max of the
        new functions."""
        functions, _ = self._edit_functions(edit)
        n_max = max((max(f["ns"]) for f in functions if len(f["ns"]) > 1), default=0)
        l_max = max(max(f["ls"]) for f in functions)
        coefficient, pairs = self.bonds.coefficient.detach(), self.bonds.pairs
        bonds = edit_bonds(self.arguments["bonds"], edit)
        if bonds is None:
            symbol_pairs = list(combinations_with_replacement(edit.names, 2))
        else:
            symbol_pairs = [tuple(bond["elements"]) for bond in bonds]
        old_rows = [[edit.rows[edit.names.index(symbol)] for symbol in pair] for pair in symbol_pairs]
        return {"bonds.coefficient": torch.stack([coefficient[pairs[a, b], :n_max, : l_max + 1] for a, b in old_rows])}

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments with the functions and bonds of the new elements."""
        arguments = super().element_arguments(edit) | {"n_radial": self.bonds.n_radial}
        return arguments | {"functions": self._edit_functions(edit)[0], "bonds": edit_bonds(arguments["bonds"], edit)}

    def element_columns(self, new_part: Any, edit: ElementEdit) -> FeatureColumns | None:
        """Relation of the columns of the old functions to the columns of the new functions."""
        width, n_old = new_part.irreps_out.dim, self.irreps_out.dim
        # −1: zero columns of elements with fewer functions have no old column
        origins = [row + [(-1, 0.0)] * (width - len(row)) for row in self._edit_functions(edit)[1]]
        return FeatureColumns(origins, torch.zeros(len(origins), n_old, dtype=torch.float64))

    def _edit_functions(self, edit: ElementEdit) -> EntriesAndOrigins:
        """Entries of the new functions and their relation to the old functions, computed once per edit."""
        arguments = self.arguments
        entries = arguments["functions"] or pacemaker_functions(edit.old_names, arguments["n_max"], arguments["l_max"])
        return edit.cached((id(self), "functions"), lambda: edit_functions(entries, edit))

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, n_features).

        The sign of the edge vectors has no effect, because the degrees of a function have an even sum.
        """
        rows, g, r_nl = self.bonds(edges)
        channel = edges.element_of_neighbour.index_select(0, rows)
        target, size = edges.centre.index_select(0, rows) * self.n_channels + channel, edges.n_atoms * self.n_channels
        result = [sum_to(g, target, size)]
        if self.bonds.n_max:
            y = spherical_harmonics(self._l_max, edges.vector.index_select(0, rows))
            products = outer_sum_to(r_nl.flatten(1), y, target, size).view(size, self.bonds.n_max, -1)
            result.append(products.index_select(2, self._density_columns.like(y)["product_column"]).flatten(1))
        return self.invariants(torch.cat(result, dim=1).view(edges.n_atoms, self.n_channels, -1), edges.element)

    def density_terms(self, edges: Edges) -> DensityTerms:
        """Contributions of neighbours to the densities A of their elements.

        The functions are all :math:`g_k`, then :math:`R_{nl} Y_{lm}`; m changes fastest, then l, then n.
        """
        rows, g, r_nl = self.bonds(edges)
        channel = edges.element_of_neighbour.index_select(0, rows)
        if not self.bonds.n_max:
            return DensityTerms(rows, channel, g)
        y = spherical_harmonics(self._l_max, edges.vector.index_select(0, rows))  # the first column is 1
        columns, radial = self._density_columns.like(y), torch.cat([g, r_nl.flatten(1)], dim=1)
        return DensityTerms(rows, channel, radial, y, columns["left_column"], columns["right_column"])

    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        return self._products(density.flatten(1), element)

    def jacobian(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        """Derivatives of the features, as in ``DensityFeaturizer``, by the product rule instead of backward passes."""
        result = density.new_zeros(len(density), self.n_channels, self.n_functions, self._products.width)
        for row in torch.unique(element).tolist():
            atoms = torch.nonzero(element == row)[:, 0]
            for block in self.jacobian_blocks(density[atoms], row, range(self.n_channels)):
                indices = atoms[:, None, None], block.channel, block.functions[:, None], block.features
                result[indices] = block.jacobian
        result = result.permute(0, 3, 1, 2)
        return result if directions is None else torch.einsum("rf,ifab->irab", directions, result)

    def jacobian_blocks(self, density: Tensor, element: int, channels: Iterable[int]) -> Iterator[JacobianBlock]:
        return self._element_jacobian(element).blocks(density.flatten(1), channels)

    def n_jacobian(self, element: int) -> int:
        return self._element_jacobian(element).n_values

    def _element_jacobian(self, row: int) -> ClusterJacobian:
        """Jacobian of the functions of an element, built at the first call, because only fits need it."""
        if row not in self._jacobians:
            self._jacobians[row] = ClusterJacobian(self.functions[row], self._column, self.n_functions)
        return self._jacobians[row]

    def degrees(self) -> Tensor:
        """Degrees of the functions, from which a smoothness prior computes the roughness of each column.

        Returns:
            Σn (n from 1), Σl and number of factors of each column, (n_elements, n_features, 3), int64; zeros in the last
            columns of elements with fewer functions.
        """
        result = torch.zeros(len(self.elements), self._products.width, 3, dtype=torch.int64)
        for row, element_functions in enumerate(self.functions):
            for column, f in enumerate(element_functions):
                result[row, column] = torch.tensor([sum(f.ns), sum(f.ls), f.rank])
        return result

    def _column(self, factor: Factor, is_single: bool) -> int:
        """Column of a factor in the densities of all elements, (n_channels · n_functions,).

        Args:
            factor: Element row, n (from 0), l and m of the factor.
            is_single: True for a function of one factor, which has g_n instead of R_nl Y_lm.
        """
        z, n, l, m = factor
        column = n if is_single else self.bonds.n_radial + n * (self._l_max + 1) ** 2 + l * l + l + m
        return z * self.n_functions + column
