"""SOAP: power spectrum of a neighbour density of Gaussians, expanded in radial functions and spherical harmonics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.featurizers.density import DensityFeaturizer, DensityTerms
from atomgraph.featurizers.soap.radial import soap_radial
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.old_names import OldAttribute
from atomgraph.ops.chebyshev_series import chebyshev_series, fit_series, series_derivative
from atomgraph.ops.cutoff import cosine_cutoff
from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.spherical import spherical_harmonics

_N_DERIVATIVES = 4  # highest order of derivatives of the radial functions


class SOAP(DensityFeaturizer):
    r"""Power spectrum p of the neighbour density of an atom, for each pair of channels (element, n) and each l.

    .. math::
        c^i_{z n l m} &= \sum_{j: z_j = z} f_c(r_{ij})\, R_{nl}(r_{ij})\, Y_{lm}(\hat r_{ij}) + c^0_{z_i z n l m} \\
        p^i_{a b l} &= \sqrt{2 - \delta_{ab}}\, \frac{1}{\sqrt{2l + 1}} \sum_m c^i_{a l m} c^i_{b l m}, \qquad a \ge b

    :math:`c^0` is the contribution of the central atom. Columns: l changes fastest, then b ≤ a, then a = (element, n), with
    elements in the order of ``elements``. Columns and values for the basis ``gaussians`` are those of QUIP. For ``gto`` and
    ``polynomials`` see ``convention``.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        n_max: Number of radial functions n.
        l_max: Highest degree l, at most 12.
        sigma: Standard deviation of the Gaussians, Å.
        basis: Radial basis: ``gaussians``, ``gto`` or ``polynomials`` (``featurizers.soap.radial``).
        envelope_width: Width of the range in which :math:`f_c` decreases from 1 to 0, Å; 0 for no cutoff function (not smooth
            at the cutoff).
        central_weight: Weight of the central atom's Gaussian in the channel of its element, no unit.
        normalise: Divide p by its norm, so that a kernel of two atoms is at most 1.
        radial_cutoff: Distance at which the radial functions end, Å; None: the cutoff. (dscribe includes neighbours beyond
            this distance.)
        channels: Weights of each element on a few channels that all elements share, for example ``{"Mo": [1.0, 0.0], "W":
            [0.7, 0.7]}``, to compress the description of many elements; None: one channel per element.
        convention: ``quip`` for the factors above; ``dscribe`` for the factors :math:`\pi \sqrt{8/(2l+1)}` and the order of
            dscribe: sorted by pair of elements, then by l, then by n ≤ n' for equal elements, or all n, n' for different ones.

    Raises:
        WiringError: If a name is unknown, or a number is out of range.

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
        channel_weights = _channel_weights(self.elements, channels)
        self.n_channels = channel_weights.shape[1]
        self.n_functions = self.n_max * (self.l_max + 1) ** 2
        self._channel_per_element = channels is None
        radial_end = self.cutoff if radial_cutoff is None else float(radial_cutoff)
        # functions of the distance, and coefficients of the central atom for l = 0
        radial, central = soap_radial(basis, radial_end, self.n_max, self.l_max, sigma)
        series = fit_series(lambda r: radial(r).reshape(len(r), -1), self.cutoff)
        derivatives = [series]  # the radial functions and their derivatives of order 1, 2 …
        for _ in range(_N_DERIVATIVES):
            derivatives.append(series_derivative(derivatives[-1], self.cutoff))
        columns, factors = _CONVENTIONS[convention](self.n_channels, self.n_max, self.l_max)
        self._constants = Constants(
            channel_weights=channel_weights,
            central=central * central_weight / np.sqrt(4.0 * np.pi),
            columns=columns,
            factors=factors,
            left_column=np.array(
                [l * n_max + n for l in range(l_max + 1) for _ in range(2 * l + 1) for n in range(n_max)]
            ),
            right_column=np.repeat(np.arange((l_max + 1) ** 2), n_max),
            **{f"series{k}": derivative for k, derivative in enumerate(derivatives)},
        )
        self.irreps_out = o3.Irreps(f"{len(columns)}x0e")

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features p, (n_atoms, n_features), without unit."""
        return self._spectrum(self.density(edges))

    def density(self, edges: Edges) -> list[Tensor]:
        """Coefficients c of the density, (n_atoms, n_channels · n_max, 2l + 1) for each l."""
        edges = edges.within(self.cutoff)
        radial, angular = self._bases(edges)
        constants = self._constants.like(edges.length)
        channel_weights = constants["channel_weights"][edges.element]  # (n_atoms, n_channels)
        target, n_targets = edges.centre, edges.n_atoms
        if self._channel_per_element:
            target = edges.centre * self.n_channels + edges.element_of_neighbour
            n_targets = edges.n_atoms * self.n_channels
        result = []
        for l in range(self.l_max + 1):
            radial_l, angular_l = radial[:, l], angular[:, l**2 : (l + 1) ** 2]
            if not self._channel_per_element:
                radial_l = (channel_weights[edges.neighbour][:, :, None] * radial_l[:, None, :]).flatten(1)
            result.append(outer_sum_to(radial_l, angular_l, target, n_targets).view(edges.n_atoms, -1, 2 * l + 1))
        central = (channel_weights[:, :, None] * constants["central"]).flatten(1)
        result[0] = result[0] + central[:, :, None]
        return result

    def density_terms(self, edges: Edges) -> DensityTerms:
        """Contributions of edges: radial functions times harmonics; n changes fastest, then m, then l.

        If elements share channels, there is one term for each edge and channel.
        """
        rows = torch.nonzero(edges.length < self.cutoff)[:, 0]
        near_edges = replace(edges, vector=edges.vector[rows], length=edges.length[rows], _cache={})
        radial, angular = self._bases(near_edges)
        constants = self._constants.like(radial)
        element = edges.element_of_neighbour[rows]
        left_column, right_column = constants["left_column"], constants["right_column"]
        terms = DensityTerms(rows, element, radial.flatten(1), angular, left_column, right_column)
        if self._channel_per_element:
            return terms
        channels = torch.arange(self.n_channels, device=rows.device)
        weight = constants["channel_weights"][element].flatten()[:, None]
        return replace(
            terms,
            rows=rows.repeat_interleave(len(channels)),
            channel=channels.repeat(len(rows)),
            left=terms.left.repeat_interleave(len(channels), 0) * weight,
            right=angular.repeat_interleave(len(channels), 0),
        )

    def isolated_density(self, element: Tensor) -> Tensor:
        constants = self._constants.like(torch.zeros(0, dtype=torch.float64, device=element.device))
        shape = len(element), self.n_channels, self.n_functions
        density = torch.zeros(shape, dtype=torch.float64, device=element.device)
        density[:, :, : self.n_max] = constants["channel_weights"][element][:, :, None] * constants["central"]
        return density

    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        return self._spectrum(self._split_by_degree(density))

    def jacobian(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        """Derivatives of the features, as in ``DensityFeaturizer``.

        A direction d is a vector of coefficients of the features. For p before normalisation, d · p is the sum of tr cᵀDc over
        l, with one symmetric matrix D for each l.
        """
        if directions is None:
            return super().jacobian(density, element)
        c = self._split_by_degree(density)
        derivatives = self._directional_derivatives(c, directions)
        if self.normalise:
            p = self._products(c)
            norm = self._norm(p)
            p = p / norm
            norm_gradient = torch.cat([block.flatten(2) for block in self._norm_gradient(c, p)], dim=2)
            projection = p @ directions.T
            derivatives = derivatives.addcmul_(norm_gradient[..., None], projection[:, None, None, :], value=-1).div_(
                norm[:, :, None, None]
            )
        return derivatives.permute(0, 3, 1, 2)

    @property
    def _n_pairs(self) -> int:
        """Number of pairs of channel and radial function."""
        return self.n_channels * self.n_max

    def _bases(self, edges: Edges) -> tuple[Tensor, Tensor]:
        """Radial functions, (n_edges, l_max + 1, n_max), and harmonics, (n_edges, (l_max + 1)²)."""
        constants = self._constants.like(edges.length)
        series = tuple(constants[f"series{k}"] for k in range(_N_DERIVATIVES + 1))
        radial = chebyshev_series(edges.length, series, self.cutoff)
        if self.envelope_width:
            inner = max(self.cutoff - self.envelope_width, 0.0)
            radial = radial * cosine_cutoff(edges.length, self.cutoff, inner)[:, None]
        return radial.view(-1, self.l_max + 1, self.n_max), spherical_harmonics(self.l_max, edges.vector, "integral")

    def _spectrum(self, c: list[Tensor]) -> Tensor:
        """Features, (n_atoms, n_features), from the coefficients of each l, (n_atoms, n_pairs, 2l + 1)."""
        p = self._products(c)
        return p / self._norm(p) if self.normalise else p

    def _products(self, c: list[Tensor]) -> Tensor:
        """Features before normalisation, (n_atoms, n_features)."""
        constants = self._constants.like(c[0])
        products = torch.cat([(c_l @ c_l.transpose(1, 2)).flatten(1) for c_l in c], dim=1)
        return products.index_select(1, constants["columns"]) * constants["factors"]

    def _norm(self, p: Tensor) -> Tensor:
        """Norm of the features, (n_atoms, 1); 1 if all features are zero."""
        square = p.square().sum(dim=1, keepdim=True)
        return torch.where(square == 0, 1.0, square).sqrt()

    def _directional_derivatives(self, c: list[Tensor], directions: Tensor) -> Tensor:
        """Derivatives of ``directions @ p`` for p before normalisation, (n_atoms, n_channels, n_functions, n_rows)."""
        n_atoms, n_rows, start = len(c[0]), len(directions), 0
        matrices = self._matrices(directions).permute(1, 3, 2, 0).flatten(2)  # (l, n_pairs, n_pairs · n_rows)
        result = c[0].new_empty(n_atoms, self.n_channels, self.n_functions, n_rows)
        for l in range(self.l_max + 1):
            block = c[l].transpose(1, 2) @ matrices[l]  # (n_atoms, 2l + 1, n_pairs · n_rows)
            block = block.view(n_atoms, 2 * l + 1, self.n_channels, self.n_max, n_rows).transpose(1, 2)
            end = start + (2 * l + 1) * self.n_max
            result[:, :, start:end].view(n_atoms, self.n_channels, -1, self.n_max, n_rows).copy_(block)
            start = end
        return result

    def _norm_gradient(self, c: list[Tensor], p: Tensor) -> list[Tensor]:
        """Derivatives of the norm of each atom's features, (n_atoms, n_channels, 2l + 1, n_max) for each l.

        Args:
            c: Coefficients of each l, (n_atoms, n_pairs, 2l + 1).
            p: Normalised features, (n_atoms, n_features).
        """
        matrices = self._matrices(p)
        return [
            (matrices[:, l] @ c[l]).view(len(p), self.n_channels, self.n_max, -1).transpose(2, 3)
            for l in range(self.l_max + 1)
        ]

    def _matrices(self, rows: Tensor) -> Tensor:
        """Matrices 2 D of each row d and each l, see ``jacobian``, (n_rows, l_max + 1, n_pairs, n_pairs).

        Args:
            rows: Coefficients d of the features, (n_rows, n_features).
        """
        constants = self._constants.like(rows)
        flat = rows.new_zeros(len(rows), (self.l_max + 1) * self._n_pairs**2)
        flat = flat.index_copy(1, constants["columns"], rows * constants["factors"])
        matrices = flat.view(len(rows), self.l_max + 1, self._n_pairs, self._n_pairs)
        return matrices + matrices.transpose(2, 3)

    def _split_by_degree(self, density: Tensor) -> list[Tensor]:
        """Split densities, (n_atoms, n_channels, n_functions), into (n_atoms, n_pairs, 2l + 1) for each l."""
        parts = density.split([self.n_max * (2 * l + 1) for l in range(self.l_max + 1)], dim=2)
        blocks = [part.view(len(density), self.n_channels, -1, self.n_max) for part in parts]
        return [block.transpose(2, 3).reshape(len(density), self._n_pairs, -1) for block in blocks]

    transition = OldAttribute("envelope_width")


def _channel_weights(elements: Sequence[str], channels: Mapping[str, Sequence[float]] | None) -> np.ndarray:
    """Weight of each element in each channel, (n_elements, n_channels)."""
    if channels is None:
        return np.eye(len(elements))
    if set(channels) != set(elements) or len({len(weights) for weights in channels.values()}) != 1:
        raise WiringError(
            f"channels should give equally many weights for each of {', '.join(elements)}, but are {dict(channels)}"
        )
    table = np.array([channels[element] for element in elements], dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0 or not np.isfinite(table).all():
        raise WiringError(f"channels should be finite numbers, at least one per element, but are {dict(channels)}")
    return table


def _quip_columns(n_channels: int, n_max: int, l_max: int) -> tuple[np.ndarray, np.ndarray]:
    """Column l · n_pairs² + a · n_pairs + b of each feature among all products, and its factor, in QUIP's order."""
    n_pairs = n_channels * n_max
    a, b = np.tril_indices(n_pairs)
    l = np.arange(l_max + 1)
    columns = l * n_pairs**2 + (a * n_pairs + b)[:, None]
    factors = np.where(a == b, 1.0, np.sqrt(2.0))[:, None] / np.sqrt(2.0 * l + 1.0)
    return columns.ravel(), factors.ravel()


def _dscribe_columns(n_channels: int, n_max: int, l_max: int) -> tuple[np.ndarray, np.ndarray]:
    """Column l · n_pairs² + a · n_pairs + b of each feature among all products, and its factor, in dscribe's order."""
    n_pairs = n_channels * n_max
    columns, factors = [], []
    for channel_a in range(n_channels):
        for channel_b in range(channel_a, n_channels):
            for l in range(l_max + 1):
                for n_a in range(n_max):
                    for n_b in range(n_a if channel_a == channel_b else 0, n_max):
                        a, b = channel_a * n_max + n_a, channel_b * n_max + n_b
                        columns.append(l * n_pairs**2 + a * n_pairs + b)
                        factors.append(np.pi * np.sqrt(8.0 / (2.0 * l + 1.0)))
    return np.array(columns), np.array(factors)


_CONVENTIONS = {"quip": _quip_columns, "dscribe": _dscribe_columns}
