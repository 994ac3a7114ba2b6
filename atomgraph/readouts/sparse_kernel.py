"""Sparse kernel readout: atomic energies from the similarity of environments to sparse points of the training data."""

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
from atomgraph.old_names import OldAttribute, with_old_arguments

KERNELS = ("dot_product", "squared_exponential")


class SparseKernel(Readout):
    r"""Sum of kernels, :math:`\varepsilon_i = \sum_s w_{z_i s}\, k(h_i, h_s)`, over the sparse points s of the atom's element.

    .. math:: k = \delta^2 \Big(\sum_d h_{id} h_{sd}\Big)^\zeta \quad\text{or}\quad
              k = \delta^2 e^{-\frac12 \sum_d (h_{id} - h_{sd})^2/\theta_d^2}

    The parameter is ``weight``, (n_elements, n_points, n_outputs); a linear fit can determine the weights in closed form.
    The buffers are ``points``, (n_elements, n_points, n_features), which are zero before the choice of points, ``delta``,
    (n_elements,), eV, and for the squared exponential ``theta``, (n_elements, n_features). If an element has fewer than
    n_points points, its last points and weights are zero.

    Weights are large and their terms cancel. A dot product with integer power :math:`\zeta \ge 2` is therefore expanded about
    the mean point :math:`\bar h`, with :math:`a_s = \bar h \cdot h_s` and :math:`x_s = (h - \bar h) \cdot h_s`,

    .. math:: \sum_s w_s (a_s + x_s)^\zeta
        = c_0 + c_1 \cdot (h - \bar h) + \sum_s w_s \sum_{k \ge 2} \binom{\zeta}{k} a_s^{\zeta - k} x_s^k,

    because the cancellation is strongest in :math:`c_0` and :math:`c_1`, which do not depend on the atom and are computed in
    float64. The expansion is about :math:`\bar h = 0` if the mean square distance of the points from the mean point
    is at least a quarter of the squared norm of the mean point, or this norm is above 1.

    Args:
        elements: Chemical symbols.
        irreps_in: Scalar features per atom, as a number or irreps (``0e``).
        n_points: Number of sparse points per element.
        kernel: Type of k, ``dot_product`` or ``squared_exponential``.
        zeta: Power ζ of the dot product.
        n_outputs: Number of outputs per atom, one per head.

    Raises:
        WiringError: If the kernel is unknown, ζ is not positive, or a number is below one.

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
        self.elements, self.irreps_in = checked_symbols(elements), as_scalars(irreps_in, "SparseKernel")
        self.n_outputs = n_outputs
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
        """Return no maps, because LoRA is not useful for weights of sparse points."""
        return {}

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return ``weight``, (n_elements, n_points, n_new_heads), for the new heads."""
        return {"weight": self.weight[..., rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, n_features)."""
        energy = h.new_zeros(len(h), self.n_outputs)
        for element in range(len(self.elements)):
            rows = torch.nonzero(edges.element == element)[:, 0]
            energy = energy.index_add(0, rows, self._energies(h[rows], element))
        return energy

    def _energies(self, h: Tensor, element: int) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of atoms of one element with features h, (n_atoms, n_features)."""
        if self.kernel != "dot_product" or not isinstance(self.zeta, int) or self.zeta < 2:
            return self.point_kernel(h, element) @ self.weight[element]
        zeta, points = self.zeta, self.points[element].double()
        weight = self.weight[element].double() * self.delta[element].double() ** 2  # w δ²
        expansion_point = _expansion_point(points)
        a = points @ expansion_point
        constant = a**zeta @ weight  # c₀
        gradient = zeta * points.T @ (a[:, None] ** (zeta - 1) * weight)  # c₁
        difference, a = h - expansion_point.to(h), a.to(h)
        x = difference @ self.points[element].T
        series = torch.ones_like(x)  # Σ_k binom(ζ, k) a^(ζ − k) x^(k − 2), k ≥ 2, by Horner's rule
        for k in range(zeta - 1, 1, -1):
            series = comb(zeta, k) * a ** (zeta - k) + x * series
        return constant.to(h) + difference @ gradient.to(h) + (x.square() * series) @ weight.to(h)

    def point_kernel(self, h: Tensor, element: int) -> Tensor:
        """Return the kernel with the sparse points of one element, (n_atoms, n_points), for h (n_atoms, n_features)."""
        return self.kernel_matrix(h, self.points[element], element)

    @with_old_arguments
    def kernel_matrix(self, h: Tensor, points: Tensor, element: int) -> Tensor:
        """Return the kernel of atoms of one element, (n, m), eV².

        Args:
            h: Features of atoms, (n, n_features).
            points: Features of other atoms, (m, n_features).
            element: Row of the element in the table of the model.
        """
        if self.kernel == "dot_product":
            return self.delta[element] ** 2 * (h @ points.T) ** self.zeta
        x, y = h / self.theta[element], points / self.theta[element]
        square = x.square().sum(1, keepdim=True) - 2.0 * (x @ y.T) + y.square().sum(1)
        return self.delta[element] ** 2 * torch.exp(-0.5 * square)

    likeness = OldAttribute("point_kernel")
    between = OldAttribute("kernel_matrix")

    @property
    def n_unknowns(self) -> int:
        """Number of linear weights of all elements."""
        return len(self.elements) * self.points.shape[1]

    def weight_slice(self, element: int) -> slice:
        """Return the indices of the weights of an element among all linear weights."""
        n = self.points.shape[1]
        return slice(element * n, (element + 1) * n)

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Return the basis functions of atoms of one element, (n_atoms, n), of features h, (n_atoms, n_features)."""
        return self.point_kernel(h, element)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        """Return directions d, (n_points, n_features), and factors f, (n_atoms, n_points), with ∂φ_ir/∂h_i = f_ir d_r.

        None for the squared exponential kernel.
        """
        if self.kernel != "dot_product":
            return None
        points = self.points[element]
        return points, self.delta[element] ** 2 * self.zeta * (h @ points.T) ** (self.zeta - 1)

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Set the linear weights, (n_unknowns,)."""
        self.weight.copy_(weights.view(len(self.elements), -1, 1))

    def prior(self) -> Tensor:
        """Return the kernel matrix of all sparse points, the inverse prior covariance of weights, (n_unknowns, n_unknowns)."""
        blocks = [self.point_kernel(self.points[element], element) for element in range(len(self.elements))]
        return torch.block_diag(*blocks)

    unknowns_of = OldAttribute("weight_slice")
    basis_slopes = OldAttribute("basis_jacobian")
    take = OldAttribute("set_weights")


def _expansion_point(points: Tensor) -> Tensor:
    """Return the mean, (n_features,), of the non-zero points, (n_points, n_features).

    Returns zero if differences from the mean are not much smaller than the points, because they then lose as many digits, or if
    the features are not normalised.
    """
    is_used = (points != 0).any(1)
    n = is_used.sum().clamp_min(1)
    mean = points.sum(0) / n
    spread = ((points - mean).square().sum(1) * is_used).sum() / n
    squared_norm = mean.square().sum()
    return torch.where((spread < 0.25 * squared_norm) & (squared_norm <= 1.0 + 1e-6), mean, 0.0)
