"""Perceptron with separate hidden units for each head."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.activation import E3NN_GAINS, get_activation
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_irreps, scalar_columns, select_columns
from atomgraph.nn.linear_map import LinearMap
from atomgraph.nn.protocols import Readout
from atomgraph.old_names import OldAttribute


class MultiHeadMLP(Readout):
    r"""Perceptron of the invariant features, with separate hidden units for each head a.

    .. math:: \varepsilon_{i a} = \frac{1}{\sqrt{n H}} \sum_k x_{i a k} W^2_{a k}, \qquad
              x_{i a k} = g\,\sigma\Big(\frac{1}{\sqrt C} \sum_c h_{i c} W^1_{c a k}\Big)

    With ``bias``, there is a second hidden layer, :math:`g\,\sigma(\frac{1}{\sqrt{n H}} x W + b)`, and the output has a bias.

    Parameters: ``first`` (W¹), (C, H, n); ``last`` (W²), (H, n); with ``bias`` also ``middle`` (W), (H, n, n),
    ``middle_bias`` (b), (H, n), and ``last_bias``, (H,).

    Args:
        irreps_in: Irreps of the features, or the number of features if all are scalars; only the C ``0e`` features are used.
        readout_hidden: Number of hidden units per head, n.
        n_outputs: Number of heads, H.
        activation: Activation function σ.
        activation_gain: Factor g on the activation, no unit; None: the value in ``nn.activation.E3NN_GAINS``.
        bias: Add a second hidden layer and biases.

    Raises:
        WiringError: If the features contain no ``0e``, a number is below one, or the activation is unknown.

    Source: Batatia et al., NeurIPS 2022, Eq. 13; heads: mace-torch 0.3.16, ``NonLinearReadoutBlock``.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps | str | int,
        readout_hidden: int = 16,
        n_outputs: int = 1,
        activation: str = "silu",
        activation_gain: float | None = None,
        bias: bool = False,
    ):
        super().__init__()
        self.irreps_in, self.n_outputs, self.hidden = as_irreps(irreps_in), n_outputs, readout_hidden
        hidden = readout_hidden
        self._columns = scalar_columns(self.irreps_in)
        if not self._columns or n_outputs < 1 or hidden < 1:
            raise WiringError(
                f"a readout needs 0e features, hidden units and outputs, but has {self.irreps_in}, {hidden} and {n_outputs}"
            )
        self.activation = get_activation(activation)
        self.gain = E3NN_GAINS[activation] if activation_gain is None else activation_gain
        self.first = torch.nn.Parameter(torch.randn(len(self._columns), n_outputs, hidden))
        self.last = torch.nn.Parameter(torch.randn(n_outputs, hidden))
        self.middle = torch.nn.Parameter(torch.randn(n_outputs, hidden, hidden)) if bias else None
        self.middle_bias = torch.nn.Parameter(torch.zeros(n_outputs, hidden)) if bias else None
        self.last_bias = torch.nn.Parameter(torch.zeros(n_outputs)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrices of all layers; the second axis of the first matrix contains the units of all heads."""
        maps = {
            "first": LinearMap((self.first.shape[0], self.first[0].numel())),
            "last": LinearMap((*self.last.shape, 1)),
        }
        return maps if self.middle is None else maps | {"middle": LinearMap(tuple(self.middle.shape))}

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return the weights of the new heads, scaled because ``forward`` divides by the square root of the number of heads."""
        factor = (len(rows) / self.n_outputs) ** 0.5
        weights: dict[str, Tensor] = {"first": self.first[:, rows], "last": self.last[rows] * factor}
        if self.middle is None or self.middle_bias is None or self.last_bias is None:
            return weights
        weights |= {"middle": self.middle[rows] * factor}
        return weights | {"middle_bias": self.middle_bias[rows], "last_bias": self.last_bias[rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, irreps_in.dim)."""
        energy = (self._hidden(h) * (self.last * self._norm)).sum(dim=2)
        return energy if self.last_bias is None else energy + self.last_bias

    @property
    def _norm(self) -> float:
        """Factor 1 / √(n H)."""
        return float((self.hidden * self.n_outputs) ** -0.5)

    def _hidden(self, h: Tensor) -> Tensor:
        """Return the hidden units before the last layer, (n_atoms, n_outputs, n)."""
        scalars = select_columns(h, self._columns)
        x = scalars @ (self.first.flatten(1) / len(self._columns) ** 0.5)
        x = self._activate(x).unflatten(1, (self.n_outputs, self.hidden))
        if self.middle is not None and self.middle_bias is not None:
            x = self._activate(torch.einsum("ihk,hkj->ihj", x, self.middle * self._norm) + self.middle_bias)
        return x

    def _activate(self, x: Tensor) -> Tensor:
        """Return g σ(x)."""
        return self.activation(x) * self.gain

    @property
    def n_unknowns(self) -> int:
        """Number of linear weights, which are equal for all elements."""
        return self.hidden + (self.last_bias is not None)

    def weight_slice(self, element: int) -> slice:
        """Return the indices of all linear weights, because every element has the same weights."""
        return slice(0, self.n_unknowns)

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Return the basis functions of atoms of one element, (n_atoms, n), of features h, (n_atoms, n_features)."""
        x = self._hidden(h)[:, 0] * self._norm
        return x if self.last_bias is None else torch.cat([x, torch.ones_like(x[:, :1])], dim=1)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        """Return None: the derivatives do not have the form of ``LinearReadout.basis_jacobian``."""
        return None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Set the linear weights, (n_unknowns,)."""
        self.last.copy_(weights[None, : self.hidden])
        if self.last_bias is not None:
            self.last_bias.copy_(weights[self.hidden :])

    unknowns_of = OldAttribute("weight_slice")
    basis_slopes = OldAttribute("basis_jacobian")
    take = OldAttribute("set_weights")
