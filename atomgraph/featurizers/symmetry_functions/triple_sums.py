"""Sums over triples of atoms: narrow angular functions (with a factor of the distance between both neighbours), and wide ones.

Wide functions are computed here only for a large or non-integer exponent ζ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from atomgraph.featurizers.symmetry_functions.neighbour_sums import distinct, envelope, stack_columns
from atomgraph.featurizers.symmetry_functions.sets import AngularFunction
from atomgraph.featurizers.triples import Triples, iterate_triples
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.outer import outer_sum_to

Pair = tuple[int, int]  # rows of two elements
ElementTriple = tuple[int, Pair]  # row of the central element, and the rows of both neighbours


class TripleSums:
    """Narrow and wide sums over unordered pairs of neighbours; the equations are in ``SymmetryFunctions``.

    A narrow function also depends on the distance between the two neighbours, a wide one does not. Element triples with the
    same functions form a group, whose triples are computed together. Portions of atoms limit the memory. If there are
    several portions, intermediate results are computed again for the derivatives.

    Args:
        functions: Angular functions of each central element.
        cutoff_function: Name of the cutoff function, in ``CUTOFF_FUNCTIONS``.
        inner_fraction: Fraction of the cutoff radius below which the cutoff function is 1, no unit.
        portion_size: Approximate number of triples per portion.

    Attributes:
        columns: Column in the table of sums, by (row of the central element, function).
        width: Number of columns of the table.
    """

    def __init__(
        self,
        functions: Sequence[Sequence[AngularFunction]],
        cutoff_function: str,
        inner_fraction: float,
        portion_size: int = 2**20,
    ):
        self.portion_size = portion_size
        functions_by_triple: dict[ElementTriple, list[AngularFunction]] = {}
        for centre, centre_functions in enumerate(functions):
            for f in centre_functions:
                functions_by_triple.setdefault((centre, f.pair), []).append(f)
        triples_by_parameters: dict[frozenset[tuple], list[ElementTriple]] = {}
        for element_triple, triple_functions in functions_by_triple.items():
            parameters = frozenset(_parameters(f) for f in triple_functions)
            triples_by_parameters.setdefault(parameters, []).append(element_triple)
        self.groups = [
            FunctionGroup(
                functions_by_triple[element_triples[0]],
                element_triples,
                len(functions),
                cutoff_function,
                inner_fraction,
            )
            for element_triples in triples_by_parameters.values()
        ]
        self.columns: dict[tuple[int, AngularFunction], int] = {}
        self.width = 0
        for group, element_triples in zip(self.groups, triples_by_parameters.values(), strict=True):
            for centre, pair in element_triples:
                for f in functions_by_triple[centre, pair]:
                    self.columns[centre, f] = self.width + group.column(f)
            self.width += group.width

    def __call__(self, edges: Edges) -> Tensor:
        """Compute the table of sums, (n_atoms, width)."""
        portions = list(iterate_triples(edges, self.portion_size))
        if len(portions) == 1:
            return self._portion_sums(edges.vector, edges.length, edges, portions[0])
        return torch.cat(
            [
                checkpoint(
                    self._portion_sums,
                    edges.vector,
                    edges.length,
                    edges,
                    portion,
                    use_reentrant=False,
                    preserve_rng_state=False,  # no random numbers are used
                )
                for portion in portions
            ]
        )

    def _portion_sums(self, vector: Tensor, length: Tensor, edges: Edges, portion: Triples) -> Tensor:
        return torch.cat([group(vector, length, edges, portion) for group in self.groups], dim=1)

    at_once = OldAttribute("portion_size")
    families = OldAttribute("groups")


class FunctionGroup:
    """Angular functions with equal parameters for one or more element triples.

    Args:
        functions: Functions of one of the element triples.
        element_triples: Element triples that have these functions.
        n_elements: Number of elements of the model.
        cutoff_function: Name of the cutoff function, in ``CUTOFF_FUNCTIONS``.
        inner_fraction: Fraction of the cutoff radius below which the cutoff function is 1, no unit.
    """

    def __init__(
        self,
        functions: Sequence[AngularFunction],
        element_triples: Sequence[ElementTriple],
        n_elements: int,
        cutoff_function: str,
        inner_fraction: float,
    ):
        self.cutoff_function, self.inner_fraction = cutoff_function, inner_fraction
        self.radial_factors = distinct((f.gaussian, f.narrow) for f in functions)
        self.angular_factors = distinct((f.zeta, f.sign) for f in functions)
        self.pairs = distinct(pair for _, pair in element_triples)
        self.width = len(self.pairs) * len(self.radial_factors) * len(self.angular_factors)
        self.max_cutoff = max(g.cutoff for g, _ in self.radial_factors)
        self.all_narrow = all(narrow for _, narrow in self.radial_factors)
        # index of the pair by (centre, neighbour, neighbour); −1: element triples that are not in this group
        pair_index = np.full((n_elements,) * 3, -1)
        for centre, (a, b) in element_triples:
            pair_index[centre, a, b] = pair_index[centre, b, a] = self.pairs.index((a, b))
        self.constants = Constants(eta=[g.eta for g, _ in self.radial_factors], pair_index=pair_index)

    def column(self, f: AngularFunction) -> int:
        """Column of a function in the table of this group."""
        row = self.pairs.index(f.pair) * len(self.radial_factors) + self.radial_factors.index((f.gaussian, f.narrow))
        return row * len(self.angular_factors) + self.angular_factors.index((f.zeta, f.sign))

    def __call__(self, vector: Tensor, length: Tensor, edges: Edges, portion: Triples) -> Tensor:
        """Compute the sums over the triples of a portion.

        Args:
            vector: Edge vectors, (n_edges, 3), Å.
            length: Distances, (n_edges,), Å.
            edges: Edges, from which rows of atoms and elements are read.
            portion: Triples.

        Returns:
            Sums, (portion.n_atoms, width).
        """
        ij, ik, target = self._select_triples(vector, edges, portion)
        r_ij, r_ik = length.index_select(0, ij), length.index_select(0, ik)
        dot = torch.stack([x.index_select(0, ij) * x.index_select(0, ik) for x in vector.unbind(1)]).sum(dim=0)
        r_jk = (r_ij.square() + r_ik.square() - 2.0 * dot).clamp(min=torch.finfo(dot.dtype).eps).sqrt()
        radial = self._exponentials(r_ij, r_ik, r_jk) * self._envelopes(length, ij, ik, r_jk)
        angular = self._angular_values(dot / (r_ij * r_ik))
        sums = outer_sum_to(radial, angular, target, portion.n_atoms * len(self.pairs))
        return sums.reshape(portion.n_atoms, self.width)

    @torch.no_grad()
    def _select_triples(self, vector: Tensor, edges: Edges, portion: Triples) -> tuple[Tensor, Tensor, Tensor]:
        """Select the triples to which the functions of this group apply.

        Returns:
            Rows of both edges of each triple, and the row of the sum to which the triple is added, (n_triples,) each.
        """
        ij, ik = portion.first_edge, portion.second_edge
        if self.all_narrow:
            squares = [(x.index_select(0, ij) - x.index_select(0, ik)).square() for x in vector.unbind(1)]
            near = torch.nonzero(torch.stack(squares).sum(dim=0) < self.max_cutoff**2)[:, 0]
            ij, ik = ij.index_select(0, near), ik.index_select(0, near)
        target = edges.centre.index_select(0, ij) - portion.first_atom
        if edges.n_elements > 1:
            element = edges.element_of_neighbour
            pair_index = self.constants.like(vector)["pair_index"][
                edges.element_of_centre[ij], element[ij], element[ik]
            ]
            selected = torch.nonzero(pair_index >= 0)[:, 0]
            ij, ik = ij[selected], ik[selected]
            target = target[selected] * len(self.pairs) + pair_index[selected]
        return ij, ik, target

    def _exponentials(self, r_ij: Tensor, r_ik: Tensor, r_jk: Tensor) -> Tensor:
        """Gaussian factors, (n_triples, n_radial_factors)."""
        squares = {}
        for shift, narrow in distinct((g.shift, narrow) for g, narrow in self.radial_factors):
            squares[shift, narrow] = (r_ij - shift).square() + (r_ik - shift).square()
            if narrow:
                squares[shift, narrow] = squares[shift, narrow] + (r_jk - shift).square()
        eta = self.constants.like(r_ij)["eta"]
        return torch.exp(-eta * stack_columns(squares, [(g.shift, narrow) for g, narrow in self.radial_factors]))

    def _envelopes(self, length: Tensor, ij: Tensor, ik: Tensor, r_jk: Tensor) -> Tensor:
        """Cutoff functions, (n_triples, n_radial_factors), or one column if they are equal for all factors."""
        products = {}
        for cutoff, narrow in distinct((g.cutoff, narrow) for g, narrow in self.radial_factors):
            edge_envelope = envelope(self.cutoff_function, length, cutoff, self.inner_fraction)
            products[cutoff, narrow] = edge_envelope.index_select(0, ij) * edge_envelope.index_select(0, ik)
            if narrow:
                products[cutoff, narrow] = products[cutoff, narrow] * envelope(
                    self.cutoff_function, r_jk, cutoff, self.inner_fraction
                )
        return stack_columns(products, [(g.cutoff, narrow) for g, narrow in self.radial_factors])

    def _angular_values(self, cosine: Tensor) -> Tensor:
        r"""Angular factors :math:`2^{1-\zeta} (1 + \lambda\cos\theta)^\zeta`, (n_triples, n_angular_factors)."""
        powers = {(1.0, sign): 1.0 + sign * cosine for sign in distinct(sign for _, sign in self.angular_factors)}
        return torch.stack(
            [2.0 ** (1.0 - zeta) * _power(zeta, sign, powers) for zeta, sign in self.angular_factors], dim=1
        )

    factors = OldAttribute("radial_factors")
    waves = OldAttribute("angular_factors")
    reach = OldAttribute("max_cutoff")
    flat = OldAttribute("inner_fraction")


def _power(zeta: float, sign: float, powers: dict[tuple[float, float], Tensor]) -> Tensor:
    """Compute the power ζ of 1 + λ cos θ, (n_triples,); for integer ζ by squaring.

    Args:
        zeta: Exponent ζ.
        sign: Sign λ.
        powers: Powers by (ζ, λ), each (n_triples,); contains ζ = 1, and new powers are added.
    """
    if (zeta, sign) not in powers:
        if not zeta.is_integer():
            base = powers[1.0, sign]  # not zero, because the second derivative of a power below two is infinite at zero
            powers[zeta, sign] = base.clamp(min=torch.finfo(base.dtype).eps).pow(zeta)
        elif zeta % 2:
            powers[zeta, sign] = _power(zeta - 1.0, sign, powers) * powers[1.0, sign]
        else:
            powers[zeta, sign] = _power(zeta / 2.0, sign, powers).square()
    return powers[zeta, sign]


def _parameters(f: AngularFunction) -> tuple:
    return (f.gaussian, f.zeta, f.sign, f.narrow)


__getattr__ = old_names_of(__name__)
