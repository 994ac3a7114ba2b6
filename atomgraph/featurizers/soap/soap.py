"""SOAP: the power spectrum of the density of neighbours, each a Gaussian, on radial functions and spherical harmonics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.density import DensityFeaturizer, Terms
from atomgraph.featurizers.soap.radial import soap_radial
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.ops.chebyshev_series import chebyshev_series, fit_series, series_derivative
from atomgraph.ops.cutoff import cosine_cutoff
from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.spherical import spherical_harmonics

_N_DERIVATIVES = 4  # derivatives of the radial functions that can be taken


class SOAP(DensityFeaturizer):
    r"""The power spectrum of an atom's neighbourhood, for each pair of channels (element, n) and each l.

    .. math::
        c^i_{z n l m} &= \sum_{j: z_j = z} f_c(r_{ij})\, R_{nl}(r_{ij})\, Y_{lm}(\hat r_{ij}) + \text{the centre's own} \\
        p^i_{a b l} &= \sqrt{2 - \delta_{ab}}\, \frac{1}{\sqrt{2l + 1}} \sum_m c^i_{a l m} c^i_{b l m}, \qquad a \ge b

    Columns: a = (element, n) outermost, elements in the order of ``elements``; then b ≤ a; l runs fastest. They and the
    numbers are QUIP's for the basis ``gaussians``; for ``gto`` and ``polynomials`` see ``convention``.

    Args:
        elements: Chemical symbols.
        cutoff: Å.
        n_max: Radial functions.
        l_max: Highest angular momentum, at most 12.
        sigma: Width of the Gaussians, Å.
        basis: ``gaussians``, ``gto`` or ``polynomials`` (``nn.soap_radial``).
        envelope_width: Width in which :math:`f_c` falls from 1 to 0, Å; 0 for no cutoff function (not smooth at the
            cutoff).
        central_weight: Of the centre's own Gaussian, which counts in its own element's channel.
        normalise: P of unit length, so that a kernel of two atoms is at most 1.
        radial_cutoff: Where the radial functions end, Å, if not at the cutoff (dscribe counts neighbours beyond it).
        channels: None, or for each element its weights on a few channels that all elements share, such as ``{"Mo":
            [1.0, 0.0], "W": [0.7, 0.7]}``: the compression of many elements; None keeps each element apart.
        convention: ``quip`` for the weights above; ``dscribe`` for :math:`\pi \sqrt{8/(2l+1)}` and its order, pairs of
            elements outermost, then l, then n ≤ n' of one element or all n, n' of two.

    Raises:
        WiringError: For what makes no descriptor.

    Source: Bartók, Kondor and Csányi, Phys. Rev. B 87, 184115 (2013); Darby et al., npj Comput. Mater. 8, 166 (2022).
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        n_max: int = 8,
        l_max: int = 6,
        sigma: float = 0.5,
        basis: str = "gaussians",
        envelope_width: float = 1.0,
        central_weight: float = 1.0,
        normalise: bool = True,
        radial_cutoff: float | None = None,
        channels: Mapping[str, Sequence[float]] | None = None,
        convention: str = "quip",
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.n_max, self.l_max, self.envelope_width = int(n_max), int(l_max), float(envelope_width)
        self.normalise = normalise
        if not 0 <= envelope_width <= cutoff:
            raise WiringError(
                f"envelope_width should be between 0 and the cutoff of {cutoff} Å, but is {envelope_width} Å"
            )
        if convention not in _CONVENTIONS:
            raise WiringError(f"the convention of SOAP should be quip or dscribe, but is {convention!r}")
        table = _channel_table(self.elements, channels)
        self.n_channels = table.shape[1]
        self.n_functions = self.n_max * (self.l_max + 1) ** 2
        self._apart = channels is None
        end = self.cutoff if radial_cutoff is None else float(radial_cutoff)
        radial, own = soap_radial(basis, end, self.n_max, self.l_max, sigma)
        series = fit_series(lambda r: radial(r).reshape(len(r), -1), self.cutoff)
        derivatives = [series]
        for _ in range(_N_DERIVATIVES):
            derivatives.append(series_derivative(derivatives[-1], self.cutoff))
        columns, factors = _CONVENTIONS[convention](self.n_channels, self.n_max, self.l_max)
        self._constants = Constants(
            table=table,
            own=own * central_weight / np.sqrt(4.0 * np.pi),
            columns=columns,
            factors=factors,
            of_left=np.array([l * n_max + n for l in range(l_max + 1) for _ in range(2 * l + 1) for n in range(n_max)]),
            of_right=np.repeat(np.arange((l_max + 1) ** 2), n_max),
            **{f"series{k}": derivative for k, derivative in enumerate(derivatives)},
        )
        self.irreps_out = o3.Irreps(f"{len(columns)}x0e")

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_features), without unit."""
        return self._spectrum(self.density(edges))

    def density(self, edges: Edges) -> list[Tensor]:
        """The coefficients c, for each l: (n_atoms, channels · n_max, 2l + 1)."""
        edges = edges.within(self.cutoff)
        radial, angular = self._bases(edges)
        constants = self._constants.like(edges.length)
        channel = constants["table"][edges.element]  # (n_atoms, n_channels)
        index, size = edges.centre, edges.n_atoms
        if self._apart:
            index, size = edges.centre * self.n_channels + edges.element_of_neighbour, size * self.n_channels
        result = []
        for order in range(self.l_max + 1):
            left, right = radial[:, order], angular[:, order**2 : (order + 1) ** 2]
            if not self._apart:
                left = (channel[edges.neighbour][:, :, None] * left[:, None, :]).flatten(1)
            result.append(outer_sum_to(left, right, index, size).view(edges.n_atoms, -1, 2 * order + 1))
        own = (channel[:, :, None] * constants["own"]).flatten(1)
        result[0] = result[0] + own[:, :, None]
        return result

    def terms(self, edges: Edges) -> Terms:
        """Radial functions times harmonics, l outermost, then m, then n; for channels that are shared, of each channel."""
        rows = torch.nonzero(edges.length < self.cutoff)[:, 0]
        near = replace(edges, vector=edges.vector[rows], length=edges.length[rows], _cache={})
        radial, angular = self._bases(near)
        places = self._constants.like(radial)
        terms = Terms(
            rows, edges.element_of_neighbour[rows], radial.flatten(1), angular, places["of_left"], places["of_right"]
        )
        if self._apart:
            return terms
        every = torch.arange(self.n_channels, device=rows.device)
        weight = places["table"][terms.channel].flatten()[:, None]
        return replace(
            terms,
            rows=rows.repeat_interleave(len(every)),
            channel=every.repeat(len(rows)),
            left=terms.left.repeat_interleave(len(every), 0) * weight,
            right=angular.repeat_interleave(len(every), 0),
        )

    def alone(self, element: Tensor) -> Tensor:
        constants = self._constants.like(torch.zeros(0, dtype=torch.float64, device=element.device))
        table = torch.zeros(len(element), self.n_channels, self.n_functions, dtype=torch.float64, device=element.device)
        table[:, :, : self.n_max] = constants["table"][element][:, :, None] * constants["own"]
        return table

    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        return self._spectrum(self._by_order(density))

    def jacobian(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        """See ``DensityFeaturizer``. A direction d is a symmetric matrix D for each l: d · p is the sum of tr cᵀDc over l."""
        if directions is None:
            return super().jacobian(density, element)
        c = self._by_order(density)
        derivatives = self._along(c, directions)
        if self.normalise:
            p = self._products(c)
            size = self._length(p)
            p = p / size
            own = torch.cat([part.flatten(2) for part in self._along_own(c, p)], dim=2)
            share = p @ directions.T
            derivatives = derivatives.addcmul_(own[..., None], share[:, None, None, :], value=-1).div_(
                size[:, :, None, None]
            )
        return derivatives.permute(0, 3, 1, 2)

    @property
    def _width(self) -> int:
        return self.n_channels * self.n_max

    def _bases(self, edges: Edges) -> tuple[Tensor, Tensor]:
        """Radial functions (n_edges, l_max + 1, n_max) and harmonics (n_edges, (l_max + 1)²)."""
        constants = self._constants.like(edges.length)
        series = tuple(constants[f"series{k}"] for k in range(_N_DERIVATIVES + 1))
        radial = chebyshev_series(edges.length, series, self.cutoff)
        if self.envelope_width:
            inner = max(self.cutoff - self.envelope_width, 0.0)
            radial = radial * cosine_cutoff(edges.length, self.cutoff, inner)[:, None]
        return radial.view(-1, self.l_max + 1, self.n_max), spherical_harmonics(self.l_max, edges.vector, "integral")

    def _spectrum(self, c: list[Tensor]) -> Tensor:
        """(n_atoms, n_features) of the coefficients of each l."""
        p = self._products(c)
        return p / self._length(p) if self.normalise else p

    def _products(self, c: list[Tensor]) -> Tensor:
        """The features before they are normalised."""
        constants = self._constants.like(c[0])
        products = torch.cat([(of_order @ of_order.transpose(1, 2)).flatten(1) for of_order in c], dim=1)
        return products.index_select(1, constants["columns"]) * constants["factors"]

    def _length(self, p: Tensor) -> Tensor:
        """(n_atoms, 1): what the features are divided by; 1 for an atom that has none."""
        square = p.square().sum(dim=1, keepdim=True)
        return torch.where(square == 0, 1.0, square).sqrt()

    def _along(self, c: list[Tensor], directions: Tensor) -> Tensor:
        """Derivatives of ``directions @ p`` before p is normalised, (n_atoms, n_channels, n_functions, n_rows)."""
        n_atoms, n_rows, first = len(c[0]), len(directions), 0
        matrices = self._matrices(directions).permute(1, 3, 2, 0).flatten(2)  # (l, width, width · n_rows)
        result = c[0].new_empty(n_atoms, self.n_channels, self.n_functions, n_rows)
        for order in range(self.l_max + 1):
            built = c[order].transpose(1, 2) @ matrices[order]  # (n_atoms, 2l + 1, width · n_rows)
            built = built.view(n_atoms, 2 * order + 1, self.n_channels, self.n_max, n_rows).transpose(1, 2)
            last = first + (2 * order + 1) * self.n_max
            result[:, :, first:last].view(n_atoms, self.n_channels, -1, self.n_max, n_rows).copy_(built)
            first = last
        return result

    def _along_own(self, c: list[Tensor], p: Tensor) -> list[Tensor]:
        """Derivatives along each atom's own p, for each l: (n_atoms, n_channels, 2l + 1, n_max)."""
        matrices = self._matrices(p)
        return [
            (matrices[:, order] @ c[order]).view(len(p), self.n_channels, self.n_max, -1).transpose(2, 3)
            for order in range(self.l_max + 1)
        ]

    def _matrices(self, rows: Tensor) -> Tensor:
        """(n_rows, l_max + 1, width, width): rows (n_rows, n_features) as symmetric matrices, twice D."""
        constants = self._constants.like(rows)
        flat = rows.new_zeros(len(rows), (self.l_max + 1) * self._width**2)
        flat = flat.index_copy(1, constants["columns"], rows * constants["factors"])
        matrices = flat.view(len(rows), self.l_max + 1, self._width, self._width)
        return matrices + matrices.transpose(2, 3)

    def _by_order(self, density: Tensor) -> list[Tensor]:
        """(n_atoms, n_channels, n_functions) to (n_atoms, channels · n_max, 2l + 1) for each l."""
        parts = density.split([self.n_max * (2 * order + 1) for order in range(self.l_max + 1)], dim=2)
        shaped = [part.view(len(density), self.n_channels, -1, self.n_max) for part in parts]
        return [part.transpose(2, 3).reshape(len(density), self._width, -1) for part in shaped]


def _channel_table(elements: Sequence[str], channels: Mapping[str, Sequence[float]] | None) -> np.ndarray:
    """(n_elements, n_channels): what a neighbour of each element gives to each channel."""
    if channels is None:
        return np.eye(len(elements))
    if set(channels) != set(elements) or len({len(weights) for weights in channels.values()}) != 1:
        raise WiringError(
            f"channels should give equally many weights for each of {', '.join(elements)}, but are {dict(channels)}"
        )
    table = np.array([channels[element] for element in elements], dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0 or not np.isfinite(table).all():
        raise WiringError(f"channels should be finite numbers, at least one an element, but are {dict(channels)}")
    return table


def _quip_columns(n_channels: int, n_max: int, l_max: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each feature lies among (l, a, b), and its factor."""
    width = n_channels * n_max
    a, b = np.tril_indices(width)
    order = np.arange(l_max + 1)
    columns = order * width**2 + (a * width + b)[:, None]
    factors = np.where(a == b, 1.0, np.sqrt(2.0))[:, None] / np.sqrt(2.0 * order + 1.0)
    return columns.ravel(), factors.ravel()


def _dscribe_columns(n_channels: int, n_max: int, l_max: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each feature lies among (l, a, b), and its factor."""
    width = n_channels * n_max
    columns, factors = [], []
    for first in range(n_channels):
        for second in range(first, n_channels):
            for order in range(l_max + 1):
                for n in range(n_max):
                    for m in range(n if first == second else 0, n_max):
                        columns.append(order * width**2 + (first * n_max + n) * width + second * n_max + m)
                        factors.append(np.pi * np.sqrt(8.0 / (2.0 * order + 1.0)))
    return np.array(columns), np.array(factors)


_CONVENTIONS = {"quip": _quip_columns, "dscribe": _dscribe_columns}
