"""SNAP's bispectrum: three-fold products of an atom's neighbour density on the sphere in four dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, pi
from typing import Literal

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.density import DensityFeaturizer, Terms
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.ops.hyperspherical import harmonic_columns, hyperspherical_radial
from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.spherical import spherical_harmonics
from atomgraph.ops.triple_integrals import TripleIntegrals, degree_triples

HIGHEST_TWOJMAX = 12  # of the spherical harmonics


class Bispectrum(DensityFeaturizer):
    r"""The bispectrum components of LAMMPS's ``compute sna/atom``, in its order.

    .. math::
        \theta_{ij} &= f_0\,\pi\,\frac{r_{ij} - r_{min}}{R_{ij} - r_{min}}, \qquad
               R_{ij} = \text{cutoff}\,(R_{z_i} + R_{z_j}) \\
        \rho_i(g) &= w_0\,\delta(g) + \sum_j w_{z_j} f_c(r_{ij})\,\delta(g - q_{ij}), \qquad
               q_{ij} = (\cos\theta_{ij}, \sin\theta_{ij}\,\hat r_{ij}) \\
        B_{j_1 j_2 j} &= \sum_{m m'} \bar u^j_{mm'} \sum_{m_1 m_1' m_2 m_2'} C^{jm}_{j_1 m_1 j_2 m_2}
               C^{jm'}_{j_1 m_1' j_2 m_2'}\, u^{j_1}_{m_1 m_1'} u^{j_2}_{m_2 m_2'}
               = (2j + 1)\,\langle f_{j_1} f_{j_2} f_j \rangle

    with :math:`f_c = \tfrac12[\cos(\pi (r - r_{min})/(R - r_{min})) + 1]` and :math:`u^j` the sum of Wigner's D matrices over
    the density. It is computed from the last form, the mean over the sphere of the products of the density's parts of degree
    2j, :math:`f_j(g) = \int \rho(q)\,U_{2j}(q\cdot g)\,dq`, which needs neither D nor C.
    Columns: j₁ = 0, ½ … J, then j₂ ≤ j₁, then j from j₁ − j₂ to min(J, j₁ + j₂), j ≥ j₁. With ``chem`` one such row for each
    (a, b, c) of channels, c fastest, f_{j₁} from the neighbours of channel a, f_{j₂} of b, f_j of c.

    Args:
        elements: Chemical symbols.
        cutoff: Å, LAMMPS's ``rcutfac``: where two atoms of radius 0.5 stop to see each other.
        twojmax: 2J, from 0 to 12.
        radii: R of every element; None: 0.5 for all, so that the cutoff is the reach; ``auto``, in a configuration,
            from the training structures.
        weights: W of every element; None: 1 for all.
        rfac0: F₀, in (0, 1].
        rmin0: r_min in Å; pairs nearer than that go on smoothly, where LAMMPS's components jump.
        switch: False leaves out f_c; then the components jump where a neighbour comes.
        inner: By element ``[S, D]`` in Å, LAMMPS's ``sinner`` and ``dinner``: a neighbour of i fades out between S + D
            and S − D with S = (S_i + S_j)/2 and D likewise. None: no neighbour is too near.
        bzero: Subtract the components of an atom alone.
        wself: W₀.
        chem: Channel of each element, counted from 0; None: one channel for all.
        wselfall: The atom itself is in every channel, not only in its own.
        bnorm: Divide by 2j + 1.
        quadratic: Append the products ½ B₁², B₁B₂, … B₁B_k, ½ B₂², B₂B₃ … h is (n_atoms, n_features), invariant scalars
            without unit. ``cutoff`` of the part is the largest R_ij.

    Raises:
        WiringError: For numbers out of range, and for tables that lack an element; they may know more than the model.

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
        radius, weight = self._by_element("radii", radii, 0.5), self._by_element("weights", weights, 1.0)
        reach = cutoff * (radius[:, None] + radius)
        if not (isfinite(cutoff) and cutoff > 0 and (radius > 0).all() and isfinite(wself)):
            raise WiringError(
                f"cutoff and radii of a bispectrum should be positive and wself finite, but are {cutoff}, {radius}, {wself}"
            )
        if not (0 < rfac0 <= 1 and 0 <= rmin0 < reach.min()):
            raise WiringError(
                f"rfac0 should be in (0, 1] and rmin0 from 0 to below {reach.min()} Å, but they are {rfac0} and {rmin0}"
            )
        self.cutoff, self.twojmax, self.rfac0, self.rmin0 = float(reach.max()), twojmax, rfac0, rmin0
        self.switch, self.bzero, self.wself, self.wselfall, self.quadratic = switch, bzero, wself, wselfall, quadratic
        channel = self._channels(chem)
        self.n_channels = int(channel.max()) + 1
        self.n_functions = len(harmonic_columns(twojmax))
        self._integrals = TripleIntegrals(twojmax, self.n_channels)
        self._fades = inner is not None
        factor = [1.0 if bnorm else t[2] + 1.0 for t in degree_triples(twojmax)]
        self._constants = Constants(
            reach=reach.ravel(),
            weight=weight,
            channel=channel,
            inner=self._inner(inner),
            factor=np.tile(factor, self.n_channels**3),
            columns=harmonic_columns(twojmax),
            itself=self._itself(channel),
            alone=self._alone(channel, factor),
            rows=np.array(np.triu_indices(self._n_linear)),
            **self._integrals.constants,
        )
        n = self._n_linear
        self.irreps_out = o3.Irreps(f"{n + n * (n + 1) // 2 if quadratic else n}x0e")

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_features), without unit."""
        _, target, radial, harmonics = self._neighbours(edges)
        density = outer_sum_to(radial, harmonics, target, edges.n_atoms * self.n_channels)
        columns = self._constants.like(density)["columns"]
        coefficients = density.flatten(1).index_select(1, columns).unflatten(0, (-1, self.n_channels))
        return self.invariants(coefficients + self.alone(edges.element).to(coefficients), edges.element)

    def terms(self, edges: Edges) -> Terms:
        """Hyperspherical harmonics of each neighbour, times its weight."""
        rows, target, radial, harmonics = self._neighbours(edges)
        columns = self._constants.like(radial)["columns"]
        left, right = columns // harmonics.shape[1], columns % harmonics.shape[1]
        return Terms(rows, target % self.n_channels, radial, harmonics, left, right)

    def alone(self, element: Tensor) -> Tensor:
        table = self._constants.like(torch.zeros(0, dtype=torch.float64, device=element.device))
        return table["itself"][element]

    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        b = self._components(density, element)
        if not self.quadratic:
            return b
        left, right = self._constants.like(b)["rows"]
        half = 1.0 - 0.5 * (left == right).to(b.dtype)
        return torch.cat([b, b.index_select(1, left) * b.index_select(1, right) * half], dim=1)

    def jacobian(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        """As ``DensityFeaturizer`` has it, by the rule for products instead of a backward pass a component."""
        constants = self._constants.like(density)
        result = self._integrals.jacobian(density, constants).mul_(constants["factor"][:, None, None])
        if self.quadratic:
            b = self._components(density, element)[:, :, None, None]
            left, right = constants["rows"]
            half = (1.0 - 0.5 * (left == right).to(b.dtype))[:, None, None]
            products = result[:, left] * (half * b[:, right]) + result[:, right] * (half * b[:, left])
            result = torch.cat([result, products], dim=1)
        return result if directions is None else torch.einsum("rf,ifab->irab", directions, result)

    @property
    def _n_linear(self) -> int:
        return len(degree_triples(self.twojmax)) * self.n_channels**3

    def _components(self, coefficients: Tensor, element: Tensor) -> Tensor:
        """(n_atoms, n_linear): the components, without their products."""
        constants = self._constants.like(coefficients)
        b = self._integrals(coefficients, constants) * constants["factor"]
        return b - constants["alone"][element] if self.bzero else b

    def _neighbours(self, edges: Edges) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Edges inside the reach of their atoms: rows, the channel of the centre that each gives to, radial part, harmonics."""
        constants = self._constants.like(edges.length)
        kinds = edges.element_of_centre * edges.n_elements + edges.element_of_neighbour
        rows = torch.nonzero(edges.length < constants["reach"][kinds])[:, 0]
        length, vector = edges.length.index_select(0, rows), edges.vector.index_select(0, rows)
        of_centre, of_neighbour = edges.element_of_centre[rows], edges.element_of_neighbour[rows]
        reach = constants["reach"][kinds[rows]]
        fraction = (length - self.rmin0) / (reach - self.rmin0)
        weight = constants["weight"][of_neighbour]
        if self.switch:
            weight = weight * (0.5 + 0.5 * torch.cos(pi * fraction.clamp(0.0, 1.0)))
        if self._fades:
            middle, width = (0.5 * (constants["inner"][of_centre] + constants["inner"][of_neighbour])).unbind(1)
            weight = weight * (0.5 + 0.5 * torch.sin(0.5 * pi * ((length - middle) / width).clamp(-1.0, 1.0)))
        radial = weight[:, None] * hyperspherical_radial(self.rfac0 * pi * fraction, self.twojmax)
        target = edges.centre[rows] * self.n_channels + constants["channel"][of_neighbour]
        return rows, target, radial, spherical_harmonics(self.twojmax, vector)

    def _itself(self, channel: np.ndarray) -> np.ndarray:
        """(n_elements, n_channels, n_harmonics): an atom's own place in its density, θ = 0."""
        degrees = np.arange(self.twojmax + 1)
        harmonics = np.zeros(sum((degrees + 1) ** 2))
        harmonics[[sum((degrees[:n] + 1) ** 2) for n in degrees]] = self.wself * np.sqrt(degrees + 1.0)
        return self._own(channel)[:, :, None] * harmonics

    def _alone(self, channel: np.ndarray, factor: Sequence[float]) -> np.ndarray:
        """(n_elements, n_channels³ · n_triples): the components of an atom alone."""
        own = self._own(channel)
        of_channels = np.einsum("ea,eb,ec->eabc", own, own, own).reshape(len(own), -1)
        return np.kron(of_channels, self.wself**3 * np.asarray(factor))

    def _own(self, channel: np.ndarray) -> np.ndarray:
        """(n_elements, n_channels): 1 where an atom of the element itself counts, else 0."""
        return np.ones((len(channel), self.n_channels)) if self.wselfall else np.eye(self.n_channels)[channel]

    def _by_element(self, name: str, given: Mapping[str, float] | str | None, default: float) -> np.ndarray:
        if given is None:
            return np.full(len(self.elements), default)
        if not isinstance(given, Mapping):
            raise WiringError(
                f"{name} of a bispectrum are numbers by element, {{Si: 2.6}} for example, but are {given!r}; auto stands for "
                "numbers that a run takes from its training structures"
            )
        checked_symbols(list(given) or self.elements)
        missing = [symbol for symbol in self.elements if symbol not in given]
        if missing:
            way_out = ", or say radii: auto in the configuration" if name == "radii" else ""
            raise WiringError(
                f"{name} of a bispectrum should give a number for every element, but lack {', '.join(missing)}; add "
                f"{missing[0]} to {name}{way_out}"
            )
        values = np.array([given[symbol] for symbol in self.elements], dtype=np.float64)
        if not np.isfinite(values).all():
            raise WiringError(f"{name} of a bispectrum should be finite numbers, but are {dict(given)}")
        return values

    def _inner(self, inner: Mapping[str, Sequence[float]] | None) -> np.ndarray:
        if inner is None:
            return np.zeros((len(self.elements), 2))
        self._check_elements("inner", inner)
        rows = [list(inner.get(symbol, ())) for symbol in self.elements]
        if any(len(row) != 2 or not all(map(isfinite, row)) or row[1] <= 0 for row in rows):
            raise WiringError(
                f"inner should give every element [S, D] in Å with D positive, as {{'Si': [1.2, 0.2]}}, but is {dict(inner)}"
            )
        return np.array(rows, dtype=np.float64)

    def _channels(self, chem: Mapping[str, int] | None) -> np.ndarray:
        if chem is None:
            return np.zeros(len(self.elements), dtype=np.int64)
        self._check_elements("chem", chem)
        result = [chem.get(symbol, -1) for symbol in self.elements]
        if set(result) != set(range(max(result) + 1)):
            raise WiringError(
                f"chem should give every element a channel, counted from 0 without gaps, but is {dict(chem)}; "
                f"one channel each is {{{', '.join(f'{symbol!r}: {i}' for i, symbol in enumerate(self.elements))}}}"
            )
        return np.array(result, dtype=np.int64)

    def _check_elements(self, name: str, given: Mapping[str, object]) -> None:
        strange = [symbol for symbol in given if symbol not in self.elements]
        if strange:
            raise WiringError(f"{name} speaks of {', '.join(strange)}; the elements are {', '.join(self.elements)}")
