"""The atomic cluster expansion: invariant products of what an atom's neighbours add up to."""

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
from atomgraph.featurizers.ace.element_edit import Expanded, bonds_for, functions_for
from atomgraph.featurizers.ace.functions import Factor, cluster_functions, pacemaker_functions
from atomgraph.featurizers.ace.jacobian import ClusterJacobian
from atomgraph.featurizers.ace.products import ClusterProducts
from atomgraph.featurizers.density import DensityFeaturizer, JacobianBlock, Terms
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit, FeatureColumns
from atomgraph.nn.elements import checked_symbols
from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.scatter import sum_to
from atomgraph.ops.spherical import spherical_harmonics


class ACE(DensityFeaturizer):
    r"""Invariants :math:`B_{if}` of the atomic cluster expansion, as pacemaker has them; the cost is linear in neighbours.

    .. math::
        A_{i z n l m} &= \sum_{j:\, z_j = z} R_{nl}^{z_i z_j}(r_{ij})\, Y_{lm}(\hat r_{ij}), \qquad
        R_{nl} = \sum_k c_{nlk}\, g_k \\
        B_{if} &= \sum_{m_1 m_2 \dots} C^{l_1 l_2 \dots}_{m_1 m_2 \dots} A_{i z_1 n_1 l_1 m_1} A_{i z_2 n_2 l_2 m_2} \dots

    with up to six factors, harmonics of :math:`\sum_m Y_{lm}^2 = 2l + 1`, and C generalised Clebsch-Gordan coefficients.
    A function of one factor has :math:`g_n` in place of :math:`R_{n0}`. Columns are an atom's functions in their order; where
    central elements have more and fewer, the shorter rows end in zeros.

    Args:
        elements: Chemical symbols.
        cutoff: Å.
        functions: ``{centre, neighbours, ns, ls, inner}`` each: symbols of the central element and of each factor, n
            (from 1) and l of each factor, the degrees in between (pacemaker's ``lint``); None stands for all up to
            ``n_max`` and ``l_max``.
        n_max, l_max: Where functions is None, the largest n and l of functions of one, two … factors, pacemaker's
            ``nradmax_by_orders`` and ``lmax_by_orders``.
        radial: A key of ``ops.radial_basis.ACE_RADIALS``.
        n_radial: Functions :math:`g_k`, None for as many as are asked for.
        width: Å over which the basis fades before the cutoff, where it does not do so by itself, at most 1 Å if None.
        exponent: λ of ``ChebExpCos`` and ``ChebPow``.
        bonds: ``{elements, radial, cutoff, width, exponent, inner, inner_width}`` for each pair of elements that is
            seen (see ``nn.ace_bonds.Bonds``); None: all pairs, with the arguments above.
        learned: Whether c is trained. c is ``bonds.coefficient``, (n_bonds, n_max, l_max + 1, n_radial), one for both
            orders of a pair.

    Raises:
        WiringError: For functions or bonds that do not fit, or for no function at all.

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
        every = [function for of_one in self.functions for function in of_one]
        if not every:
            raise WiringError("there is no cluster function at all; name at least one")
        highest = [max((max(f.ns) for f in every if (f.rank == 1) == alone), default=0) for alone in (True, False)]
        n_radial = max(highest) if n_radial is None else n_radial
        if n_radial < max(highest[0], 1):
            raise WiringError(f"the functions ask for {highest[0]} radial functions, but n_radial is {n_radial}")
        if bonds is None:
            shape = {"radial": radial, "cutoff": self.cutoff, "exponent": exponent}
            shape["width"] = min(1.0, self.cutoff) if width is None else width
            bonds = [{"elements": list(pair)} | shape for pair in combinations_with_replacement(self.elements, 2)]
        self._l_max = max(max(f.ls) for f in every)
        self.bonds = Bonds(self.elements, bonds, n_radial, highest[1], self._l_max, learned)
        if self.bonds.reach > self.cutoff + 1e-12:
            raise WiringError(f"a bond reaches {self.bonds.reach} Å, beyond the cutoff of {self.cutoff} Å")
        self.n_channels = len(self.elements)
        self.n_functions = n_radial + highest[1] * (self._l_max + 1) ** 2
        self._jacobians: dict[int, ClusterJacobian] = {}
        self._products = ClusterProducts(self.functions, self._column)
        self.irreps_out = o3.Irreps(f"{self._products.width}x0e")
        of_column = np.array([l for l in range(self._l_max + 1) for _ in range(2 * l + 1)])
        alone, places = np.arange(n_radial), np.arange(highest[1])[:, None] * (self._l_max + 1) + of_column
        self._order = Constants(
            of_product=of_column * len(of_column) + np.arange(len(of_column)),
            of_left=np.concatenate([alone, n_radial + places.ravel()]),
            of_right=np.concatenate([0 * alone, np.tile(np.arange(len(of_column)), highest[1])]),
        )

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The coefficients of each bond, as many as the new functions need."""
        functions, _ = self._functions_for(edit)
        n_max = max((max(f["ns"]) for f in functions if len(f["ns"]) > 1), default=0)
        l_max = max(max(f["ls"]) for f in functions)
        known, pairs = self.bonds.coefficient.detach(), self.bonds.pairs
        bonds = bonds_for(self.arguments["bonds"], edit)
        if bonds is None:
            names = list(combinations_with_replacement(edit.names, 2))
        else:
            names = [tuple(bond["elements"]) for bond in bonds]
        old = [[edit.rows[edit.names.index(symbol)] for symbol in pair] for pair in names]
        return {"bonds.coefficient": torch.stack([known[pairs[a, b], :n_max, : l_max + 1] for a, b in old])}

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With the functions and bonds of the new elements."""
        arguments = super().element_arguments(edit) | {"n_radial": self.bonds.n_radial}
        return arguments | {"functions": self._functions_for(edit)[0], "bonds": bonds_for(arguments["bonds"], edit)}

    def element_columns(self, new: Any, edit: ElementEdit) -> FeatureColumns | None:
        """Columns follow their functions, each as often as the function occurs."""
        width, n_old = new.irreps_out.dim, self.irreps_out.dim
        origins = [row + [(-1, 0.0)] * (width - len(row)) for row in self._functions_for(edit)[1]]
        return FeatureColumns(origins, torch.zeros(len(origins), n_old, dtype=torch.float64))

    def _functions_for(self, edit: ElementEdit) -> Expanded:
        arguments = self.arguments
        entries = arguments["functions"] or pacemaker_functions(edit.old, arguments["n_max"], arguments["l_max"])
        return edit.cached((id(self), "functions"), lambda: functions_for(entries, edit))

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_features). The sign of the edge vectors does not matter: the degrees of a function add up to even."""
        rows, g, r_nl = self.bonds(edges)
        channel = edges.element_of_neighbour.index_select(0, rows)
        owner, size = edges.centre.index_select(0, rows) * self.n_channels + channel, edges.n_atoms * self.n_channels
        result = [sum_to(g, owner, size)]
        if self.bonds.n_max:
            y = spherical_harmonics(self._l_max, edges.vector.index_select(0, rows))
            every = outer_sum_to(r_nl.flatten(1), y, owner, size).view(size, self.bonds.n_max, -1)
            result.append(every.index_select(2, self._order.like(y)["of_product"]).flatten(1))
        return self.invariants(torch.cat(result, dim=1).view(edges.n_atoms, self.n_channels, -1), edges.element)

    def terms(self, edges: Edges) -> Terms:
        """What a neighbour adds to A of its element: every :math:`g_k`, then :math:`R_{nl} Y_{lm}`, n outermost, then l, m."""
        rows, g, r_nl = self.bonds(edges)
        channel = edges.element_of_neighbour.index_select(0, rows)
        if not self.bonds.n_max:
            return Terms(rows, channel, g)
        y = spherical_harmonics(self._l_max, edges.vector.index_select(0, rows))  # its first column is 1
        places = self._order.like(y)
        return Terms(rows, channel, torch.cat([g, r_nl.flatten(1)], dim=1), y, places["of_left"], places["of_right"])

    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        return self._products(density.flatten(1), element)

    def jacobian(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        """As ``DensityFeaturizer`` has it; the rule for products instead of a backward pass a function."""
        result = density.new_zeros(len(density), self.n_channels, self.n_functions, self._products.width)
        for row in torch.unique(element).tolist():
            mine = torch.nonzero(element == row)[:, 0]
            for block in self.jacobian_blocks(density[mine], row, range(self.n_channels)):
                place = mine[:, None, None], block.channel, block.functions[:, None], block.features
                result[place] = block.jacobian
        result = result.permute(0, 3, 1, 2)
        return result if directions is None else torch.einsum("rf,ifab->irab", directions, result)

    def jacobian_blocks(self, density: Tensor, element: int, channels: Iterable[int]) -> Iterator[JacobianBlock]:
        return self._jacobian_of(element).blocks(density.flatten(1), channels)

    def n_jacobian(self, element: int) -> int:
        return self._jacobian_of(element).n_numbers

    def _jacobian_of(self, row: int) -> ClusterJacobian:
        """Made when a fit asks for it: no other use does."""
        if row not in self._jacobians:
            self._jacobians[row] = ClusterJacobian(self.functions[row], self._column, self.n_functions)
        return self._jacobians[row]

    def degrees(self) -> Tensor:
        """(n_elements, n_features, 3) whole numbers: Σn (n from 1), Σl and the number of factors of every column, by central
        element; zeros behind the functions of an element that has fewer than another.

        ``algebraic_roughness(*featurizer.degrees().flatten(0, 1).T)`` is what a smoothness prior wants, element by element.
        """
        result = torch.zeros(len(self.elements), self._products.width, 3, dtype=torch.int64)
        for row, of_one in enumerate(self.functions):
            for column, f in enumerate(of_one):
                result[row, column] = torch.tensor([sum(f.ns), sum(f.ls), f.rank])
        return result

    def _column(self, factor: Factor, alone: bool) -> int:
        """Where the densities, one element after another, hold a factor."""
        z, n, l, m = factor
        place = n if alone else self.bonds.n_radial + n * (self._l_max + 1) ** 2 + l * l + l + m
        return z * self.n_functions + place
