"""Sums over triples of atoms: narrow angular functions, and wide ones whose ζ is large or no integer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from atomgraph.featurizers.symmetry_functions.neighbour_sums import by_column, distinct, envelope
from atomgraph.featurizers.symmetry_functions.sets import AngularFunction
from atomgraph.featurizers.triples import Triples, triples
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.ops.outer import outer_sum_to

Pair = tuple[int, int]


class TripleSums:
    """Narrow and wide sums over pairs of neighbours, each unordered pair once; the formulas are in ``SymmetryFunctions``.

    Central elements and pairs that ask for the same functions form a family, whose triples go through one computation.
    Families and portions of atoms keep the memory bounded; what lies behind them is computed again for the derivatives.
    ``columns`` says where the table holds a function of a central element.
    """

    def __init__(
        self,
        functions: Sequence[Sequence[AngularFunction]],
        cutoff_function: str,
        inner_fraction: float,
        at_once: int = 2**20,
    ):
        self.at_once = at_once
        asked: dict[tuple[int, Pair], list[AngularFunction]] = {}
        for centre, of_centre in enumerate(functions):
            for f in of_centre:
                asked.setdefault((centre, f.pair), []).append(f)
        families: dict[frozenset[tuple], list[tuple[int, Pair]]] = {}
        for place, of_place in asked.items():
            families.setdefault(frozenset(_parameters(f) for f in of_place), []).append(place)
        self.families = [
            Family(asked[places[0]], places, len(functions), cutoff_function, inner_fraction)
            for places in families.values()
        ]
        self.columns: dict[tuple[int, AngularFunction], int] = {}
        self.width = 0
        for family, places in zip(self.families, families.values(), strict=True):
            for centre, pair in places:
                for f in asked[centre, pair]:
                    self.columns[centre, f] = self.width + family.column(f)
            self.width += family.width

    def __call__(self, edges: Edges) -> Tensor:
        """(n_atoms, width)."""
        portions = list(triples(edges, self.at_once))
        if len(portions) == 1:
            return self._portion(edges.vector, edges.length, edges, portions[0])
        return torch.cat(
            [
                checkpoint(
                    self._portion,
                    edges.vector,
                    edges.length,
                    edges,
                    portion,
                    use_reentrant=False,
                    preserve_rng_state=False,  # nothing is random
                )
                for portion in portions
            ]
        )

    def _portion(self, vector: Tensor, length: Tensor, edges: Edges, portion: Triples) -> Tensor:
        return torch.cat([family(vector, length, edges, portion) for family in self.families], dim=1)


class Family:
    """The same angular functions at one or more places, a place being a central element and a pair of neighbours."""

    def __init__(
        self,
        functions: Sequence[AngularFunction],
        places: Sequence[tuple[int, Pair]],
        n_elements: int,
        cutoff_function: str,
        inner_fraction: float,
    ):
        self.cutoff_function, self.inner_fraction = cutoff_function, inner_fraction
        self.factors = distinct((f.gaussian, f.narrow) for f in functions)
        self.waves = distinct((f.zeta, f.sign) for f in functions)
        self.pairs = distinct(pair for _, pair in places)
        self.width = len(self.pairs) * len(self.factors) * len(self.waves)
        self.reach = max(g.cutoff for g, _ in self.factors)
        self.all_narrow = all(narrow for _, narrow in self.factors)
        place = np.full((n_elements,) * 3, -1)
        for centre, (first, second) in places:
            place[centre, first, second] = place[centre, second, first] = self.pairs.index((first, second))
        self.constants = Constants(eta=[g.eta for g, _ in self.factors], place=place)

    def column(self, f: AngularFunction) -> int:
        """Where the family's table holds a function."""
        row = self.pairs.index(f.pair) * len(self.factors) + self.factors.index((f.gaussian, f.narrow))
        return row * len(self.waves) + self.waves.index((f.zeta, f.sign))

    def __call__(self, vector: Tensor, length: Tensor, edges: Edges, portion: Triples) -> Tensor:
        """(portion.n_atoms, width) from vector (n_edges, 3) and length (n_edges,) in Å."""
        first, second, target = self._own(vector, edges, portion)
        r_ij, r_ik = length.index_select(0, first), length.index_select(0, second)
        dot = torch.stack([x.index_select(0, first) * x.index_select(0, second) for x in vector.unbind(1)]).sum(dim=0)
        r_jk = (r_ij.square() + r_ik.square() - 2.0 * dot).clamp(min=torch.finfo(dot.dtype).eps).sqrt()
        radial = self._exponentials(r_ij, r_ik, r_jk) * self._fades(length, first, second, r_jk)
        sums = outer_sum_to(radial, self._waves(dot / (r_ij * r_ik)), target, portion.n_atoms * len(self.pairs))
        return sums.reshape(portion.n_atoms, self.width)

    @torch.no_grad()
    def _own(self, vector: Tensor, edges: Edges, portion: Triples) -> tuple[Tensor, Tensor, Tensor]:
        """The triples that the family sees: (n_triples,) rows of both edges, and where their sum goes."""
        first, second = portion.first, portion.second
        if self.all_narrow:
            squares = [(x.index_select(0, first) - x.index_select(0, second)).square() for x in vector.unbind(1)]
            near = torch.nonzero(torch.stack(squares).sum(dim=0) < self.reach**2)[:, 0]
            first, second = first.index_select(0, near), second.index_select(0, near)
        target = edges.centre.index_select(0, first) - portion.first_atom
        if edges.n_elements > 1:
            element = edges.element_of_neighbour
            place = self.constants.like(vector)["place"][
                edges.element_of_centre[first], element[first], element[second]
            ]
            own = torch.nonzero(place >= 0)[:, 0]
            first, second, target = first[own], second[own], target[own] * len(self.pairs) + place[own]
        return first, second, target

    def _exponentials(self, r_ij: Tensor, r_ik: Tensor, r_jk: Tensor) -> Tensor:
        """(n_triples, n_factors)."""
        squares = {}
        for shift, narrow in distinct((g.shift, narrow) for g, narrow in self.factors):
            squares[shift, narrow] = (r_ij - shift).square() + (r_ik - shift).square()
            if narrow:
                squares[shift, narrow] = squares[shift, narrow] + (r_jk - shift).square()
        eta = self.constants.like(r_ij)["eta"]
        return torch.exp(-eta * by_column(squares, [(g.shift, narrow) for g, narrow in self.factors]))

    def _fades(self, length: Tensor, first: Tensor, second: Tensor, r_jk: Tensor) -> Tensor:
        """(n_triples, n_factors), or one column for all."""
        fades = {}
        for cutoff, narrow in distinct((g.cutoff, narrow) for g, narrow in self.factors):
            of_edge = envelope(self.cutoff_function, length, cutoff, self.inner_fraction)
            fades[cutoff, narrow] = of_edge.index_select(0, first) * of_edge.index_select(0, second)
            if narrow:
                fades[cutoff, narrow] = fades[cutoff, narrow] * envelope(
                    self.cutoff_function, r_jk, cutoff, self.inner_fraction
                )
        return by_column(fades, [(g.cutoff, narrow) for g, narrow in self.factors])

    def _waves(self, cosine: Tensor) -> Tensor:
        r""":math:`2^{1-\zeta} (1 + \lambda\cos\theta)^\zeta`, (n_triples, n_waves)."""
        known = {(1.0, sign): 1.0 + sign * cosine for sign in distinct(sign for _, sign in self.waves)}
        return torch.stack([2.0 ** (1.0 - zeta) * _power(zeta, sign, known) for zeta, sign in self.waves], dim=1)


def _power(zeta: float, sign: float, known: dict[tuple[float, float], Tensor]) -> Tensor:
    """The power of a base ``known[1, sign]``; integers by squaring, remembering what was made on the way."""
    if (zeta, sign) not in known:
        if not zeta.is_integer():
            base = known[1.0, sign]  # kept off zero, where the curvature of a power below two is infinite
            known[zeta, sign] = base.clamp(min=torch.finfo(base.dtype).eps).pow(zeta)
        elif zeta % 2:
            known[zeta, sign] = _power(zeta - 1.0, sign, known) * known[1.0, sign]
        else:
            known[zeta, sign] = _power(zeta / 2.0, sign, known).square()
    return known[zeta, sign]


def _parameters(f: AngularFunction) -> tuple:
    return (f.gaussian, f.zeta, f.sign, f.narrow)
