"""The atomic cluster expansion: invariant products of what an atom's neighbours add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.ace_bonds import Bonds
from atomgraph.nn.ace_functions import Factor, cluster_functions, pacemaker_functions
from atomgraph.nn.ace_products import ClusterProducts
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.sisters import Featurizer
from atomgraph.ops.scatter import sum_to
from atomgraph.ops.spherical import spherical_harmonics


class ACE(Featurizer):
    r"""Invariants :math:`B_{if}` of the atomic cluster expansion, as pacemaker has them; the cost is linear in neighbours.

    .. math::
        A_{i z n l m} &= \sum_{j:\, z_j = z} R_{nl}^{z_i z_j}(r_{ij})\, Y_{lm}(\hat r_{ij}), \qquad
        R_{nl} = \sum_k c_{nlk}\, g_k \\
        B_{if} &= \sum_{m_1 m_2 \dots} C^{l_1 l_2 \dots}_{m_1 m_2 \dots} A_{i z_1 n_1 l_1 m_1} A_{i z_2 n_2 l_2 m_2} \dots

    with up to six factors, harmonics of :math:`\sum_m Y_{lm}^2 = 2l + 1`, and C generalised Clebsch-Gordan coefficients.
    A function of one factor has :math:`g_n` in place of :math:`R_{n0}`. Columns are an atom's functions in their order; where
    central elements have more and fewer, the shorter rows end in zeros.

    elements: chemical symbols.  cutoff: Å.
    functions: ``{centre, neighbours, ns, ls, inner}`` each: symbols of the central element and of each factor, n (from 1) and
    l of each factor, the degrees in between (pacemaker's ``lint``); None stands for all up to ``n_max`` and ``l_max``.
    n_max, l_max: the largest n and l of functions of one, two … factors, as ``nradmax_by_orders``, ``lmax_by_orders``.
    radial: a key of ``ops.ace_radial.ACE_RADIALS``.  n_radial: functions :math:`g_k`, None for as many as are asked for.
    width: Å over which the basis fades before the cutoff, where it does not do so by itself, at most 1 Å if None.
    exponent: λ of ``ChebExpCos`` and ``ChebPow``.
    bonds: ``{elements, radial, cutoff, width, exponent, inner, inner_width}`` for each pair of elements that is seen (see
    ``nn.ace_bonds.Bonds``); None: all pairs, with the arguments above.  learned: whether c is trained.
    c is ``bonds.coefficient``, (n_bonds, n_max, l_max + 1, n_radial), one for both orders of a pair.
    Raises WiringError for functions or bonds that do not fit, or for no function at all.
    Sources: Drautz, Phys. Rev. B 99, 014104 (2019); Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021).
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
        if n_radial < highest[0]:
            raise WiringError(f"the functions ask for {highest[0]} radial functions, but n_radial is {n_radial}")
        if bonds is None:
            shape = {"radial": radial, "cutoff": self.cutoff, "exponent": exponent}
            shape["width"] = min(1.0, self.cutoff) if width is None else width
            bonds = [{"elements": list(pair)} | shape for pair in combinations_with_replacement(self.elements, 2)]
        self._l_max = max(max(f.ls) for f in every)
        self.bonds = Bonds(self.elements, bonds, n_radial, highest[1], self._l_max, learned)
        if self.bonds.reach > self.cutoff + 1e-12:
            raise WiringError(f"a bond reaches {self.bonds.reach} Å, beyond the cutoff of {self.cutoff} Å")
        self._products = ClusterProducts(self.functions, self._column)
        self.irreps_out = o3.Irreps(f"{self._products.width}x0e")
        self._degree = [l for l in range(self._l_max + 1) for _ in range(2 * l + 1)]

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_functions). The sign of the edge vectors does not matter: the degrees of a function add up to even."""
        edges = edges.within(self.cutoff)
        rows, g, r_nl = self.bonds(edges)
        owner = (edges.centre * len(self.elements) + edges.element_of_neighbour).index_select(0, rows)
        size = edges.n_atoms * len(self.elements)
        densities = [sum_to(g, owner, size).view(edges.n_atoms, -1)]
        if self.bonds.n_max:
            y = spherical_harmonics(self._l_max, edges.vector.index_select(0, rows))
            terms = r_nl[:, :, self._degree] * y[:, None, :]
            densities.append(sum_to(terms.flatten(1), owner, size).view(edges.n_atoms, -1))
        return self._products(torch.cat(densities, dim=1), edges.element)

    def _column(self, factor: Factor, alone: bool) -> int:
        """Where the densities hold a factor: first g of each element, then R Y of each element."""
        z, n, l, m = factor
        if alone:
            return z * self.bonds.n_radial + n
        first = len(self.elements) * self.bonds.n_radial
        return first + (z * self.bonds.n_max + n) * (self._l_max + 1) ** 2 + l * l + l + m
