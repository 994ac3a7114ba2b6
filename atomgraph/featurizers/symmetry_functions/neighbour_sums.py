"""Sums over neighbours, at a cost linear in their number: radial functions, and wide angular ones by their moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomgraph.featurizers.symmetry_functions.sets import AngularFunction, RadialFunction
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.ops.cutoff import n2p2_cutoff
from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.scatter import sum_to
from atomgraph.ops.spherical import spherical_harmonics

#: Cutoff functions by name; their places are n2p2's numbers.
CUTOFF_FUNCTIONS = (
    "hard",
    "cosine",
    "tanh_cubed",
    "tanh_cubed_normalised",
    "exponential",
    "cubic",
    "quintic",
    "septic",
    "nonic",
)
#: Wide functions with an integer ζ up to here go by moments; beyond, the (ζ + 1)² harmonics cost more than triples.
HIGHEST_ZETA_BY_MOMENTS = 8


def envelope(name: str, length: Tensor, cutoff: float, inner_fraction: float) -> Tensor:
    """The cutoff function of a name in ``CUTOFF_FUNCTIONS``; ``inner_fraction`` is the inner fraction of the cutoff
    where it is 1."""
    return n2p2_cutoff(CUTOFF_FUNCTIONS.index(name), length, cutoff, inner_fraction * cutoff)


def by_moments(function: AngularFunction) -> bool:
    """Whether the sum over pairs of neighbours factorises into few moments."""
    return not function.narrow and function.zeta.is_integer() and function.zeta <= HIGHEST_ZETA_BY_MOMENTS


class NeighbourSums:
    r"""Radial and wide angular sums from the same radial factors :math:`g_n(r) = e^{-\eta_n (r - r_n)^2} f_c(r)`.

    Radial: :math:`\sum_{j \in a} g_n(r_{ij})`. With :math:`(1 + \lambda\cos\theta)^\zeta = \sum_l a_l P_l(\cos\theta)` and the
    addition theorem the wide sum over pairs is a sum over squares of moments, less each neighbour with itself:

    .. math:: A_{a n l m} = \sum_{j \in a} g_n(r_{ij}) Y_{lm}(\hat r_{ij}), \qquad
              \sum_{j<k} g_n g_n (1 + \lambda\cos\theta_{ijk})^\zeta
              = \tfrac12 \Big[\sum_{lm} a_l A_{a n l m}^2 - (1 + \lambda)^\zeta \sum_j g_n^2\Big]

    with ``norm`` harmonics, :math:`\sum_m Y_{lm}^2 = 1`; for two different elements :math:`\sum_{lm} a_l A_a A_b`.
    ``columns`` says where the table holds a function of a central element; elements are rows of the model's table.
    """

    def __init__(
        self,
        radial: Sequence[Sequence[RadialFunction]],
        wide: Sequence[Sequence[AngularFunction]],
        cutoff_function: str,
        inner_fraction: float,
    ):
        self.cutoff_function, self.inner_fraction, self.n_elements = cutoff_function, inner_fraction, len(radial)
        in_radial = distinct(f.gaussian for functions in radial for f in functions)
        in_wide = distinct(f.gaussian for functions in wide for f in functions)
        shared = [g for g in in_radial if g in in_wide]
        self._radial = [g for g in in_radial if g not in shared] + shared
        self._wide = shared + [g for g in in_wide if g not in shared]
        self._gaussians = self._radial + self._wide[len(shared) :]
        self._waves = distinct((int(f.zeta), f.sign) for functions in wide for f in functions)
        self._pairs = distinct(f.pair for functions in wide for f in functions)
        self._l_max = max((zeta for zeta, _ in self._waves), default=0)
        self._constants = Constants(
            eta=[g.eta for g in self._gaussians],
            shift=[g.shift for g in self._gaussians],
            legendre=self._legendre(),
            straight=[2.0 * (0.5 * (1.0 + sign)) ** zeta for zeta, sign in self._waves],
        )

        self.columns: dict[tuple[int, Any], int] = {}
        n_radial = self.n_elements * len(self._radial)
        for centre, functions in enumerate(radial):
            for f in functions:
                self.columns[centre, f] = f.neighbour * len(self._radial) + self._radial.index(f.gaussian)
        for centre, angular in enumerate(wide):
            for g in angular:
                row = self._pairs.index(g.pair) * len(self._wide) + self._wide.index(g.gaussian)
                wave = self._waves.index((int(g.zeta), g.sign))
                self.columns[centre, g] = n_radial + row * len(self._waves) + wave
        self.width = n_radial + len(self._pairs) * len(self._wide) * len(self._waves)

    def __call__(self, edges: Edges) -> Tensor:
        """(n_atoms, width)."""
        if not self._gaussians:
            return edges.length.new_zeros(edges.n_atoms, 0)
        factors = self._factors(edges.length)  # (n_edges, n_gaussians)
        target = edges.centre * self.n_elements + edges.element_of_neighbour
        n_targets = edges.n_atoms * self.n_elements
        tables = [sum_to(factors[:, : len(self._radial)], target, n_targets).reshape(edges.n_atoms, -1)]
        if self._waves:
            wide = factors[:, len(self._gaussians) - len(self._wide) :]
            tables.append(self._pair_sums(wide, edges.vector, target, n_targets).reshape(edges.n_atoms, -1))
        return torch.cat(tables, dim=1)

    def _pair_sums(self, factors: Tensor, vector: Tensor, target: Tensor, n_targets: int) -> Tensor:
        """(n_atoms, n_pairs, n_gaussians, n_waves)."""
        harmonics = spherical_harmonics(self._l_max, vector, "norm")
        moments = outer_sum_to(factors, harmonics, target, n_targets)
        moments = moments.unflatten(0, (-1, self.n_elements))  # (n_atoms, n_elements, n_gaussians, (l_max + 1)²)
        itself = sum_to(factors.square(), target, n_targets).unflatten(0, (-1, self.n_elements))
        constants = self._constants.like(factors)
        sums = []
        for first, second in self._pairs:
            pair = (moments[:, first] * moments[:, second]) @ constants["legendre"]
            sums.append(0.5 * (pair - itself[:, first, :, None] * constants["straight"]) if first == second else pair)
        return torch.stack(sums, dim=1)

    def _factors(self, length: Tensor) -> Tensor:
        constants = self._constants.like(length)
        fade = {
            c: envelope(self.cutoff_function, length, c, self.inner_fraction)
            for c in {g.cutoff for g in self._gaussians}
        }
        away = length[:, None] - constants["shift"]
        return torch.exp(-constants["eta"] * away.square()) * by_column(fade, [g.cutoff for g in self._gaussians])

    def _legendre(self) -> np.ndarray:
        """((l_max + 1)², n_waves): each wave's part in the harmonics of a degree."""
        if not self._waves:
            return np.zeros((1, 0))
        by_degree = np.stack([wave_by_degree(zeta, sign, self._l_max) for zeta, sign in self._waves], axis=1)
        return by_degree.repeat(2 * np.arange(self._l_max + 1) + 1, axis=0)


def distinct(items: Any) -> list[Any]:
    """The items without repetitions, in the order of their first appearance."""
    return list(dict.fromkeys(items))


def by_column(values: dict[Any, Tensor], keys: Sequence[Any]) -> Tensor:
    """(n_rows, n_columns) with the values of each column's key; one broadcast column where all keys are the same."""
    if len(set(keys)) == 1:
        return values[keys[0]][:, None]
    return torch.stack([values[key] for key in keys], dim=1)


def wave_by_degree(zeta: int, sign: float, l_max: int) -> np.ndarray:
    r"""Coefficients :math:`a_l` of :math:`2^{1-\zeta}(1 + \lambda x)^\zeta = \sum_l a_l P_l(x)`, (l_max + 1,)."""
    powers = np.polynomial.polynomial.polypow([1.0, sign], zeta) * 2.0 ** (1 - zeta)
    coefficients = np.polynomial.legendre.poly2leg(powers)
    return np.pad(coefficients, (0, l_max + 1 - len(coefficients)))
