"""Radial functions, and wide angular functions by moments, at a cost that is linear in the number of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomgraph.featurizers.symmetry_functions.sets import AngularFunction, RadialFunction
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.cutoff import n2p2_cutoff
from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.scatter import sum_to
from atomgraph.ops.spherical import spherical_harmonics

#: Names of the cutoff functions; the positions in the tuple are the numbers of n2p2.
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
#: Largest ζ of wide functions that are computed by moments; for larger ζ, (ζ + 1)² harmonics cost more than triples.
HIGHEST_ZETA_BY_MOMENTS = 8


def envelope(name: str, length: Tensor, cutoff: float, inner_fraction: float) -> Tensor:
    """Compute a cutoff function by its name.

    Args:
        name: Name in ``CUTOFF_FUNCTIONS``.
        length: Distances, (n,), Å.
        cutoff: Cutoff radius, Å.
        inner_fraction: Fraction of the cutoff radius below which the function is 1, no unit.

    Returns:
        Values in [0, 1], (n,).
    """
    return n2p2_cutoff(CUTOFF_FUNCTIONS.index(name), length, cutoff, inner_fraction * cutoff)


def uses_moments(function: AngularFunction) -> bool:
    """Whether the sum over pairs of neighbours is computed from moments: for wide functions with a small integer ζ."""
    return not function.narrow and function.zeta.is_integer() and function.zeta <= HIGHEST_ZETA_BY_MOMENTS


class NeighbourSums:
    r"""Radial and wide angular sums with common radial factors :math:`g_n(r) = e^{-\eta_n (r - r_n)^2} f_c(r)`.

    The radial sum over neighbours of element a is :math:`\sum_{j \in a} g_n(r_{ij})`. The angular factor is expanded in
    Legendre polynomials, :math:`2^{1-\zeta}(1 + \lambda\cos\theta)^\zeta = \sum_l a_l P_l(\cos\theta)`. By the addition
    theorem, the wide sum over pairs is then a sum of squares of moments A, minus the terms j = k:

    .. math:: A_{a n l m} = \sum_{j \in a} g_n(r_{ij}) Y_{lm}(\hat r_{ij}), \qquad
              2^{1-\zeta} \sum_{j<k} g_n g_n (1 + \lambda\cos\theta_{ijk})^\zeta
              = \tfrac12 \Big[\sum_{lm} a_l A_{a n l m}^2 - 2^{1-\zeta} (1 + \lambda)^\zeta \sum_j g_n^2\Big]

    with ``norm`` harmonics, :math:`\sum_m Y_{lm}^2 = 1`. For two different elements the sum is :math:`\sum_{lm} a_l A_a A_b`.

    Args:
        radial: Radial functions of each central element.
        wide: Wide angular functions of each central element.
        cutoff_function: Name of the cutoff function, in ``CUTOFF_FUNCTIONS``.
        inner_fraction: Fraction of the cutoff radius below which the cutoff function is 1, no unit.

    Attributes:
        columns: Column in the table of sums, by (row of the central element, function).
        width: Number of columns of the table.
    """

    def __init__(
        self,
        radial: Sequence[Sequence[RadialFunction]],
        wide: Sequence[Sequence[AngularFunction]],
        cutoff_function: str,
        inner_fraction: float,
    ):
        self.cutoff_function, self.inner_fraction, self.n_elements = cutoff_function, inner_fraction, len(radial)
        radial_gaussians = distinct(f.gaussian for functions in radial for f in functions)
        wide_gaussians = distinct(f.gaussian for functions in wide for f in functions)
        shared_gaussians = [g for g in radial_gaussians if g in wide_gaussians]
        # shared Gaussians are at the end of the radial and at the start of the wide ones, so that both are slices of _gaussians
        self._radial_gaussians = [g for g in radial_gaussians if g not in shared_gaussians] + shared_gaussians
        self._wide_gaussians = shared_gaussians + [g for g in wide_gaussians if g not in shared_gaussians]
        self._gaussians = self._radial_gaussians + self._wide_gaussians[len(shared_gaussians) :]
        # (ζ, λ) of each angular factor
        self._angular_factors = distinct((int(f.zeta), f.sign) for functions in wide for f in functions)
        self._pairs = distinct(f.pair for functions in wide for f in functions)
        self._l_max = max((zeta for zeta, _ in self._angular_factors), default=0)
        self._constants = Constants(
            eta=[g.eta for g in self._gaussians],
            shift=[g.shift for g in self._gaussians],
            legendre=self._legendre_table(),
            value_at_zero_angle=[2.0 * (0.5 * (1.0 + sign)) ** zeta for zeta, sign in self._angular_factors],
        )

        self.columns: dict[tuple[int, Any], int] = {}
        # radial sums: neighbour element, then Gaussian; wide sums: pair of elements, Gaussian, angular factor
        n_radial = self.n_elements * len(self._radial_gaussians)
        for centre, functions in enumerate(radial):
            for f in functions:
                gaussian_index = self._radial_gaussians.index(f.gaussian)
                self.columns[centre, f] = f.neighbour * len(self._radial_gaussians) + gaussian_index
        for centre, wide_functions in enumerate(wide):
            for wide_function in wide_functions:
                pair_index = self._pairs.index(wide_function.pair)
                row = pair_index * len(self._wide_gaussians) + self._wide_gaussians.index(wide_function.gaussian)
                angular_index = self._angular_factors.index((int(wide_function.zeta), wide_function.sign))
                self.columns[centre, wide_function] = n_radial + row * len(self._angular_factors) + angular_index
        self.width = n_radial + len(self._pairs) * len(self._wide_gaussians) * len(self._angular_factors)

    def __call__(self, edges: Edges) -> Tensor:
        """Compute the table of sums, (n_atoms, width)."""
        if not self._gaussians:
            return edges.length.new_zeros(edges.n_atoms, 0)
        factors = self._radial_factors(edges.length)
        target = edges.centre * self.n_elements + edges.element_of_neighbour
        n_targets = edges.n_atoms * self.n_elements
        tables = [sum_to(factors[:, : len(self._radial_gaussians)], target, n_targets).reshape(edges.n_atoms, -1)]
        if self._angular_factors:
            wide_factors = factors[:, len(self._gaussians) - len(self._wide_gaussians) :]
            tables.append(self._pair_sums(wide_factors, edges.vector, target, n_targets).reshape(edges.n_atoms, -1))
        return torch.cat(tables, dim=1)

    def _pair_sums(self, factors: Tensor, vector: Tensor, target: Tensor, n_targets: int) -> Tensor:
        """Wide sums over pairs of neighbours, (n_atoms, n_pairs, n_gaussians, n_angular_factors)."""
        harmonics = spherical_harmonics(self._l_max, vector, "norm")
        moments = outer_sum_to(factors, harmonics, target, n_targets)
        moments = moments.unflatten(0, (-1, self.n_elements))  # (n_atoms, n_elements, n_gaussians, (l_max + 1)²)
        squares = sum_to(factors.square(), target, n_targets).unflatten(0, (-1, self.n_elements))
        constants = self._constants.like(factors)
        sums = []
        for a, b in self._pairs:
            products = (moments[:, a] * moments[:, b]) @ constants["legendre"]
            if a == b:  # without the terms j = k, and each pair once
                products = 0.5 * (products - squares[:, a, :, None] * constants["value_at_zero_angle"])
            sums.append(products)
        return torch.stack(sums, dim=1)

    def _radial_factors(self, length: Tensor) -> Tensor:
        """Radial factors g, (n_edges, n_gaussians)."""
        constants = self._constants.like(length)
        envelopes = {
            c: envelope(self.cutoff_function, length, c, self.inner_fraction)
            for c in {g.cutoff for g in self._gaussians}
        }
        gaussians = torch.exp(-constants["eta"] * (length[:, None] - constants["shift"]).square())
        return gaussians * stack_columns(envelopes, [g.cutoff for g in self._gaussians])

    def _legendre_table(self) -> np.ndarray:
        """Coefficient a_l of each harmonic in each angular factor, ((l_max + 1)², n_angular_factors)."""
        if not self._angular_factors:
            return np.zeros((1, 0))
        coefficients = [legendre_coefficients(zeta, sign, self._l_max) for zeta, sign in self._angular_factors]
        return np.stack(coefficients, axis=1).repeat(2 * np.arange(self._l_max + 1) + 1, axis=0)

    flat = OldAttribute("inner_fraction")


def distinct(items: Any) -> list[Any]:
    """Return the items without repetitions, in the order of their first appearance."""
    return list(dict.fromkeys(items))


def stack_columns(values: dict[Any, Tensor], keys: Sequence[Any]) -> Tensor:
    """Stack the values, (n_rows,), of the key of each column.

    Returns:
        Columns, (n_rows, n_columns), or (n_rows, 1) if all keys are equal.
    """
    if len(set(keys)) == 1:
        return values[keys[0]][:, None]
    return torch.stack([values[key] for key in keys], dim=1)


def legendre_coefficients(zeta: int, sign: float, l_max: int) -> np.ndarray:
    r"""Coefficients :math:`a_l` of :math:`2^{1-\zeta}(1 + \lambda x)^\zeta = \sum_l a_l P_l(x)`, (l_max + 1,).

    Args:
        zeta: Exponent ζ.
        sign: Sign λ.
        l_max: Highest degree l, at least ζ.
    """
    powers = np.polynomial.polynomial.polypow([1.0, sign], zeta) * 2.0 ** (1 - zeta)
    coefficients = np.polynomial.legendre.poly2leg(powers)
    return np.pad(coefficients, (0, l_max + 1 - len(coefficients)))


__getattr__ = old_names_of(__name__)
