"""Sparse kernel readout: an atom's energy by its likeness to a few atoms that were chosen from the data."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.linear_map import LinearMap
from atomgraph.nn.protocols import Readout

KERNELS = ("dot_product", "squared_exponential")


class SparseKernel(Readout):
    r""":math:`\varepsilon_i = \sum_s w_{z_i s}\, k(h_i, h_s)` over the sparse points s of the atom's own element.

    .. math:: k = \delta^2 \Big(\sum_d h_{id} h_{sd}\Big)^\zeta \quad\text{or}\quad
              k = \delta^2 e^{-\frac12 \sum_d (h_{id} - h_{sd})^2/\theta_d^2}

    ``weight`` (n_elements, n_points, n_outputs) can be solved for in closed form; buffers: ``points`` (n_elements, n_points,
    n_features), zeros until they are chosen, ``delta`` (n_elements,) in eV, and ``theta`` (n_elements, n_features) of the
    squared exponential.
    Elements with fewer points have points and weights of zero behind them.
    A dot product to a whole power :math:`\zeta \ge 2` is summed from its expansion about the mean point :math:`\bar h`, with
    :math:`a_s = \bar h \cdot h_s` and :math:`x_s = (h - \bar h) \cdot h_s`,

    .. math:: \sum_s w_s (a_s + x_s)^\zeta
        = c_0 + c_1 \cdot (h - \bar h) + \sum_s w_s \sum_{k \ge 2} \binom{\zeta}{k} a_s^{\zeta - k} x_s^k,

    since weights are large and cancel, most of all in :math:`c_0` and :math:`c_1`, which depend on no atom. Points that differ
    about as much as they are long, or are longer than normalised features, are summed as they are, :math:`\bar h = 0`.

    Args:
        elements: Chemical symbols.
        irreps_in: Scalars per atom, their number or irreps (``0e``).
        n_points: Sparse points, of each element.
        kernel: ``dot_product`` or ``squared_exponential``.
        zeta: Power of the dot product.
        n_outputs: Columns of the result, one a head.

    Raises:
        WiringError: For an unknown kernel, ζ not positive, or counts below one.

    Source: Bartók, Payne, Kondor and Csányi, Phys. Rev. Lett. 104, 136403 (2010).
    """

    points: Tensor
    delta: Tensor
    theta: Tensor

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str | int,
        n_points: int,
        kernel: str = "dot_product",
        zeta: float = 4.0,
        n_outputs: int = 1,
    ):
        super().__init__()
        self.elements, self.irreps_in, self.n_outputs = (
            checked_symbols(elements),
            as_scalars(irreps_in, "SparseKernel"),
            n_outputs,
        )
        if kernel not in KERNELS:
            raise WiringError(f"the kernel should be {' or '.join(KERNELS)}, but is {kernel!r}")
        if not zeta > 0 or n_points < 1 or n_outputs < 1:
            raise WiringError(
                f"zeta, n_points and n_outputs should be positive, but are {zeta}, {n_points}, {n_outputs}"
            )
        self.kernel, self.zeta = kernel, int(zeta) if float(zeta).is_integer() else float(zeta)
        n, n_features = len(self.elements), self.irreps_in.dim
        self.register_buffer("points", torch.zeros(n, n_points, n_features))
        self.register_buffer("delta", torch.ones(n))
        if kernel == "squared_exponential":
            self.register_buffer("theta", torch.ones(n, n_features))
        self.weight = torch.nn.Parameter(torch.randn(n, n_points, n_outputs) / n_points**0.5)

    def linear_maps(self) -> dict[str, LinearMap]:
        """None is adapted: the weights belong to sparse points."""
        return {}

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """The columns of the heads."""
        return {"weight": self.weight[..., rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_features) to (n_atoms, n_outputs)."""
        local = h.new_zeros(len(h), self.n_outputs)
        for element in range(len(self.elements)):
            rows = torch.nonzero(edges.element == element)[:, 0]
            local = local.index_add(0, rows, self._energies(h[rows], element))
        return local

    def _energies(self, h: Tensor, element: int) -> Tensor:
        """(n_atoms, n_outputs) of atoms of one element, (n_atoms, n_features)."""
        if self.kernel != "dot_product" or not isinstance(self.zeta, int) or self.zeta < 2:
            return self.likeness(h, element) @ self.weight[element]
        zeta, points = self.zeta, self.points[element].double()
        weight = self.weight[element].double() * self.delta[element].double() ** 2
        centre = _centre(points)
        a = points @ centre
        constant = a**zeta @ weight
        gradient = zeta * points.T @ (a[:, None] ** (zeta - 1) * weight)
        away, a = h - centre.to(h), a.to(h)
        x = away @ self.points[element].T
        series = torch.ones_like(x)
        for k in range(zeta - 1, 1, -1):
            series = comb(zeta, k) * a ** (zeta - k) + x * series
        return constant.to(h) + away @ gradient.to(h) + (x.square() * series) @ weight.to(h)

    def likeness(self, h: Tensor, element: int) -> Tensor:
        """k(h, h_s) with the sparse points of one element: (n_atoms, n_features) to (n_atoms, n_points)."""
        return self.kernel_matrix(h, self.points[element], element)

    def kernel_matrix(self, h: Tensor, others: Tensor, element: int) -> Tensor:
        """k of atoms of one element: (n, n_features) and (m, n_features) to (n, m)."""
        if self.kernel == "dot_product":
            return self.delta[element] ** 2 * (h @ others.T) ** self.zeta
        x, y = h / self.theta[element], others / self.theta[element]
        square = x.square().sum(1, keepdim=True) - 2.0 * (x @ y.T) + y.square().sum(1)
        return self.delta[element] ** 2 * torch.exp(-0.5 * square)

    @property
    def n_unknowns(self) -> int:
        return len(self.elements) * self.points.shape[1]

    def weight_slice(self, element: int) -> slice:
        n = self.points.shape[1]
        return slice(element * n, (element + 1) * n)

    def basis(self, h: Tensor, element: int) -> Tensor:
        return self.likeness(h, element)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        if self.kernel != "dot_product":
            return None
        points = self.points[element]
        return points, self.delta[element] ** 2 * self.zeta * (h @ points.T) ** (self.zeta - 1)

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        self.weight.copy_(weights.view(len(self.elements), -1, 1))

    def prior(self) -> Tensor:
        """K of all sparse points, (n_unknowns, n_unknowns): what the weights of a Gaussian process are held by."""
        each = [self.likeness(self.points[element], element) for element in range(len(self.elements))]
        return torch.block_diag(*each)


def _centre(points: Tensor) -> Tensor:
    """The mean of points (n_points, n_features), zeros left out; zero where an expansion about it would cancel more."""
    used = (points != 0).any(1)
    n = used.sum().clamp_min(1)
    mean = points.sum(0) / n
    spread = ((points - mean).square().sum(1) * used).sum() / n
    length = mean.square().sum()
    return torch.where((spread < 0.25 * length) & (length <= 1.0 + 1e-6), mean, 0.0)
