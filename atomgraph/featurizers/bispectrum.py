"""Bispectrum of SNAP: products of three components of the neighbour density on the sphere in four dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, pi
from typing import Literal

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.density import DensityFeaturizer, DensityTerms
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.ops.hyperspherical import harmonic_columns, hyperspherical_radial
from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.spherical import spherical_harmonics
from atomgraph.ops.triple_integrals import TripleIntegrals, degree_triples

HIGHEST_TWOJMAX = 12  # 2J; the highest degree of the spherical harmonics in atomgraph


class Bispectrum(DensityFeaturizer):
    r"""Bispectrum components of LAMMPS's ``compute sna/atom``, in LAMMPS's order.

    .. math::
        \theta_{ij} &= f_0\,\pi\,\frac{r_{ij} - r_{min}}{R_{ij} - r_{min}}, \qquad
               R_{ij} = \text{cutoff}\,(a_{z_i} + a_{z_j}) \\
        \rho_i(g) &= w_0\,\delta(g) + \sum_j w_{z_j} f_c(r_{ij})\,\delta(g - q_{ij}), \qquad
               q_{ij} = (\cos\theta_{ij}, \sin\theta_{ij}\,\hat r_{ij}) \\
        B_{j_1 j_2 j} &= \sum_{m m'} \bar u^j_{mm'} \sum_{m_1 m_1' m_2 m_2'} C^{jm}_{j_1 m_1 j_2 m_2}
               C^{jm'}_{j_1 m_1' j_2 m_2'}\, u^{j_1}_{m_1 m_1'} u^{j_2}_{m_2 m_2'}
               = (2j + 1)\,\langle f_{j_1} f_{j_2} f_j \rangle

    with :math:`f_c = \tfrac12[\cos(\pi (r_{ij} - r_{min})/(R_{ij} - r_{min})) + 1]`, :math:`u^j` the sum of Wigner's D
    matrices over the density, :math:`\bar u^j` its complex conjugate, and C the Clebsch-Gordan coefficients. The last form
    is computed: the mean over the sphere of products of the components of the density of degree 2j, :math:`f_j(g) = \int
    \rho(q)\,U_{2j}(q\cdot g)\,dq`. It contains neither D nor C.

    Columns: j₁ = 0, ½ … J, then j₂ ≤ j₁, then j from j₁ − j₂ to min(J, j₁ + j₂), j ≥ j₁. With ``chem`` there is one such block
    of columns for each triple (a, b, c) of channels; c changes fastest. The neighbours of channel a contribute to f_{j₁}, of b
    to f_{j₂}, of c to f_j. The attribute ``cutoff`` is the largest R_ij.

    Args:
        elements: Chemical symbols.
        cutoff: LAMMPS's ``rcutfac``, the cutoff radius of two atoms of radius 0.5, Å.
        twojmax: Highest degree 2J, from 0 to 12.
        radii: Radius a of each element, no unit; None: 0.5 for all, so that ``cutoff`` is the cutoff of all pairs; ``auto``
            in a configuration: from the training structures.
        weights: Weight w of each element, no unit; None: 1 for all.
        rfac0: Factor f₀, in (0, 1], no unit.
        rmin0: Distance r_min, Å. Components are smooth at r_min, unlike those of LAMMPS, which jump.
        switch: Multiply by f_c. If False, the components jump when a neighbour crosses the cutoff.
        inner: ``[S, D]`` of each element, Å, LAMMPS's ``sinner`` and ``dinner``. The weight of a neighbour decreases to 0
            between S + D and S − D, with the means S and D of both atoms. None: no inner cutoff.
        bzero: Subtract the components of an isolated atom.
        wself: Weight w₀ of the central atom, no unit.
        chem: Channel of each element, counted from 0; None: one channel for all elements.
        wselfall: Add the central atom to all channels, instead of only to the channel of its element.
        bnorm: Divide the components by 2j + 1.
        quadratic: Append the products ½ B₁², B₁B₂, … B₁B_k, ½ B₂², B₂B₃ …

    Raises:
        WiringError: If a number is out of range; if ``radii``, ``weights``, ``inner`` or ``chem`` lack an element; if ``inner``
            or ``chem`` contain an element that is not in ``elements``.

    Source: Thompson et al., J. Comput. Phys. 285, 316 (2015); ``chem``: Cusentino et al., J. Phys. Chem. A 124, 5456
    (2020).
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        twojmax: int = 6,
        radii: Mapping[str, float] | Literal["auto"] | None = None,
        weights: Mapping[str, float] | None = None,
        rfac0: float = 0.99363,
        rmin0: float = 0.0,
        switch: bool = True,
        inner: Mapping[str, Sequence[float]] | None = None,
        bzero: bool = False,
        wself: float = 1.0,
        chem: Mapping[str, int] | None = None,
        wselfall: bool = False,
        bnorm: bool = False,
        quadratic: bool = False,
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        if not (isinstance(twojmax, int) and 0 <= twojmax <= HIGHEST_TWOJMAX):
            raise WiringError(f"twojmax should be a whole number from 0 to {HIGHEST_TWOJMAX}, but is {twojmax!r}")
        radius, weight = self._element_values("radii", radii, 0.5), self._element_values("weights", weights, 1.0)
        pair_cutoff = cutoff * (radius[:, None] + radius)
        if not (isfinite(cutoff) and cutoff > 0 and (radius > 0).all() and isfinite(wself)):
            raise WiringError(
                f"cutoff and radii of a bispectrum should be positive and wself finite, but are {cutoff}, {radius}, {wself}"
            )
        if not (0 < rfac0 <= 1 and 0 <= rmin0 < pair_cutoff.min()):
            raise WiringError(
                f"rfac0 should be in (0, 1] and rmin0 from 0 to below {pair_cutoff.min()} Å, but they are {rfac0} and "
                f"{rmin0}"
            )
        self.cutoff, self.twojmax, self.rfac0, self.rmin0 = float(pair_cutoff.max()), twojmax, rfac0, rmin0
        self.switch, self.bzero, self.wself, self.wselfall, self.quadratic = switch, bzero, wself, wselfall, quadratic
        channel = self._channel_numbers(chem)
        self.n_channels = int(channel.max()) + 1
        self.n_functions = len(harmonic_columns(twojmax))  # columns of the density, not components of the bispectrum
        self._integrals = TripleIntegrals(twojmax, self.n_channels)
        self._has_inner_cutoff = inner is not None
        # 1, or 2j + 1 with the third degree n = 2j of each triple
        component_factor = [1.0 if bnorm else n + 1.0 for _, _, n in degree_triples(twojmax)]
        self._constants = Constants(
            cutoff=pair_cutoff.ravel(),
            weight=weight,
            channel=channel,
            inner=self._inner_table(inner),
            component_factor=np.tile(component_factor, self.n_channels**3),
            columns=harmonic_columns(twojmax),
            isolated_density=self._isolated_densities(channel),
            isolated_components=self._isolated_components(channel, component_factor),
            product_columns=np.array(np.triu_indices(self._n_linear)),
            **self._integrals.constants,
        )
        n = self._n_linear
        self.irreps_out = o3.Irreps(f"{n + n * (n + 1) // 2 if quadratic else n}x0e")

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, n_features), invariant scalars without unit."""
        _, target, radial, harmonics = self._neighbour_factors(edges)
        density = outer_sum_to(radial, harmonics, target, edges.n_atoms * self.n_channels)
        columns = self._constants.like(density)["columns"]
        coefficients = density.flatten(1).index_select(1, columns).unflatten(0, (-1, self.n_channels))
        return self.invariants(coefficients + self.isolated_density(edges.element).to(coefficients), edges.element)

    def density_terms(self, edges: Edges) -> DensityTerms:
        """Hyperspherical harmonics of each neighbour, times the weight of the neighbour."""
        rows, target, radial, harmonics = self._neighbour_factors(edges)
        columns = self._constants.like(radial)["columns"]
        radial_column, angular_column = columns // harmonics.shape[1], columns % harmonics.shape[1]
        return DensityTerms(rows, target % self.n_channels, radial, harmonics, radial_column, angular_column)

    def isolated_density(self, element: Tensor) -> Tensor:
        constants = self._constants.like(torch.zeros(0, dtype=torch.float64, device=element.device))
        return constants["isolated_density"][element]

    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        b = self._components(density, element)
        if not self.quadratic:
            return b
        left, right = self._constants.like(b)["product_columns"]
        product_factor = 1.0 - 0.5 * (left == right).to(b.dtype)  # ½ for squares, else 1
        return torch.cat([b, b.index_select(1, left) * b.index_select(1, right) * product_factor], dim=1)

    def jacobian(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        """Derivatives of the features, as in ``DensityFeaturizer``, by the product rule instead of backward passes."""
        constants = self._constants.like(density)
        result = self._integrals.jacobian(density, constants).mul_(constants["component_factor"][:, None, None])
        if self.quadratic:
            b = self._components(density, element)[:, :, None, None]
            left, right = constants["product_columns"]
            product_factor = (1.0 - 0.5 * (left == right).to(b.dtype))[:, None, None]  # ½ for squares, else 1
            products = result[:, left] * (product_factor * b[:, right]) + result[:, right] * (
                product_factor * b[:, left]
            )
            result = torch.cat([result, products], dim=1)
        return result if directions is None else torch.einsum("rf,ifab->irab", directions, result)

    @property
    def _n_linear(self) -> int:
        return len(degree_triples(self.twojmax)) * self.n_channels**3

    def _components(self, coefficients: Tensor, element: Tensor) -> Tensor:
        """Bispectrum components B without their products, (n_atoms, n_linear)."""
        constants = self._constants.like(coefficients)
        b = self._integrals(coefficients, constants) * constants["component_factor"]
        return b - constants["isolated_components"][element] if self.bzero else b

    def _neighbour_factors(self, edges: Edges) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Radial functions and harmonics of the edges inside the cutoff of their two elements.

        Returns:
            Rows of the edges, (n,); row of the density to which each edge is added, centre · n_channels + channel of the
            neighbour, (n,); radial functions times weights, (n, n_radial); and spherical harmonics, (n, n_angular).
        """
        constants = self._constants.like(edges.length)
        element_pair = edges.element_of_centre * edges.n_elements + edges.element_of_neighbour
        rows = torch.nonzero(edges.length < constants["cutoff"][element_pair])[:, 0]
        length, vector = edges.length.index_select(0, rows), edges.vector.index_select(0, rows)
        z_i, z_j = edges.element_of_centre[rows], edges.element_of_neighbour[rows]
        cutoff = constants["cutoff"][element_pair[rows]]
        fraction = (length - self.rmin0) / (cutoff - self.rmin0)
        weight = constants["weight"][z_j]
        if self.switch:
            weight = weight * (0.5 + 0.5 * torch.cos(pi * fraction.clamp(0.0, 1.0)))
        if self._has_inner_cutoff:
            middle, half_width = (0.5 * (constants["inner"][z_i] + constants["inner"][z_j])).unbind(1)
            weight = weight * (0.5 + 0.5 * torch.sin(0.5 * pi * ((length - middle) / half_width).clamp(-1.0, 1.0)))
        radial = weight[:, None] * hyperspherical_radial(self.rfac0 * pi * fraction, self.twojmax)
        target = edges.centre[rows] * self.n_channels + constants["channel"][z_j]
        return rows, target, radial, spherical_harmonics(self.twojmax, vector)

    def _isolated_densities(self, channel: np.ndarray) -> np.ndarray:
        """Density of an atom without neighbours, at θ = 0, (n_elements, n_channels, n_harmonics)."""
        degrees = np.arange(self.twojmax + 1)
        harmonics = np.zeros(sum((degrees + 1) ** 2))
        harmonics[[sum((degrees[:n] + 1) ** 2) for n in degrees]] = self.wself * np.sqrt(degrees + 1.0)
        return self._self_channels(channel)[:, :, None] * harmonics

    def _isolated_components(self, channel: np.ndarray, component_factor: Sequence[float]) -> np.ndarray:
        """Bispectrum components of an isolated atom, (n_elements, n_channels³ · n_triples)."""
        mask = self._self_channels(channel)
        channel_triples = np.einsum("ea,eb,ec->eabc", mask, mask, mask).reshape(len(mask), -1)
        return np.kron(channel_triples, self.wself**3 * np.asarray(component_factor))

    def _self_channels(self, channel: np.ndarray) -> np.ndarray:
        """1 for channels that contain the central atom, else 0, (n_elements, n_channels)."""
        return np.ones((len(channel), self.n_channels)) if self.wselfall else np.eye(self.n_channels)[channel]

    def _element_values(self, name: str, argument: Mapping[str, float] | str | None, default: float) -> np.ndarray:
        """Values of an argument in the order of the elements, (n_elements,)."""
        if argument is None:
            return np.full(len(self.elements), default)
        if not isinstance(argument, Mapping):
            raise WiringError(
                f"{name} of a bispectrum are numbers by element, {{Si: 2.6}} for example, but are {argument!r}; auto is "
                "allowed only in the configuration of a run, which replaces it by numbers from the training structures"
            )
        checked_symbols(list(argument) or self.elements)
        missing = [symbol for symbol in self.elements if symbol not in argument]
        if missing:
            hint = ", or set radii: auto in the configuration" if name == "radii" else ""
            raise WiringError(
                f"{name} of a bispectrum should give a number for every element, but lack {', '.join(missing)}; add "
                f"{missing[0]} to {name}{hint}"
            )
        values = np.array([argument[symbol] for symbol in self.elements], dtype=np.float64)
        if not np.isfinite(values).all():
            raise WiringError(f"{name} of a bispectrum should be finite numbers, but are {dict(argument)}")
        return values

    def _inner_table(self, inner: Mapping[str, Sequence[float]] | None) -> np.ndarray:
        """``[S, D]`` of each element, (n_elements, 2), Å."""
        if inner is None:
            return np.zeros((len(self.elements), 2))
        self._check_elements("inner", inner)
        rows = [list(inner.get(symbol, ())) for symbol in self.elements]
        if any(len(row) != 2 or not all(map(isfinite, row)) or row[1] <= 0 for row in rows):
            raise WiringError(
                "inner should give every element [S, D] in Å with D positive, for example {'Si': [1.2, 0.2]}, "
                f"but is {dict(inner)}"
            )
        return np.array(rows, dtype=np.float64)

    def _channel_numbers(self, chem: Mapping[str, int] | None) -> np.ndarray:
        """Channel of each element, (n_elements,)."""
        if chem is None:
            return np.zeros(len(self.elements), dtype=np.int64)
        self._check_elements("chem", chem)
        result = [chem.get(symbol, -1) for symbol in self.elements]
        if set(result) != set(range(max(result) + 1)):
            raise WiringError(
                f"chem should give every element a channel, counted from 0 without gaps, but is {dict(chem)}; "
                f"one channel per element is {{{', '.join(f'{symbol!r}: {i}' for i, symbol in enumerate(self.elements))}}}"
            )
        return np.array(result, dtype=np.int64)

    def _check_elements(self, name: str, argument: Mapping[str, object]) -> None:
        unknown = [symbol for symbol in argument if symbol not in self.elements]
        if unknown:
            raise WiringError(f"{name} contains {', '.join(unknown)}; the elements are {', '.join(self.elements)}")
