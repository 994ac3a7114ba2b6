"""Networks that run on every edge: plain perceptrons, in the two normalisations of MACE."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.activation import NORMALISED_GAINS, activation_of
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.part import Part


class ScaledMLP(Part):
    r""":math:`x \to c\,\sigma(x W / \sqrt{n_{in}})`, the last layer without :math:`\sigma`; no biases.

    ``weights[t]`` is (n_in, n_out), normally distributed at first.

    Args:
        widths: Of what comes in, of hidden layers, of what goes out.
        activation: σ.
        activation_gain: c, which keeps the mean square of normal inputs at one; the tabulated one if None.

    Raises:
        WiringError: For fewer than two widths, or an unknown activation.

    Source: Geiger and Smidt, arXiv:2207.09453 (``nn.FullyConnectedNet``).
    """

    group = "radial"

    def __init__(self, widths: Sequence[int], activation: str = "silu", activation_gain: float | None = None):
        super().__init__()
        _check(widths)
        self.activation = activation_of(activation)
        self.gain = NORMALISED_GAINS[activation] if activation_gain is None else activation_gain
        self.weights = torch.nn.ParameterList(torch.randn(n_in, n_out) for n_in, n_out in pairwise(widths))

    def linear_maps(self) -> dict[str, LinearMap]:
        """The matrix of each layer."""
        return matrices(self, "weights.")

    def forward(self, x: Tensor) -> Tensor:
        """(..., widths[0]) to (..., widths[-1])."""
        return self.hidden(x) @ self.last

    def hidden(self, x: Tensor) -> Tensor:
        """(..., widths[-2]): what the result is linear in."""
        for depth in range(len(self.weights) - 1):
            x = self.activation(x @ self._scaled(depth))
        return x

    @property
    def last(self) -> Tensor:
        """(widths[-2], widths[-1]): the matrix of the last layer, scale and gain included."""
        return self._scaled(len(self.weights) - 1)

    def _scaled(self, depth: int) -> Tensor:
        weight = self.weights[depth]
        return weight * (len(weight) ** -0.5 * (self.gain if depth > 0 else 1.0))


class NormalisedMLP(Part):
    r""":math:`x \to \mathrm{silu}(\mathrm{norm}(x W^T + b))`, the last layer :math:`x W^T + b` alone.

    Args:
        widths: Of what comes in, of hidden layers, of what goes out. norm: layer normalisation, ε = 10⁻⁵.

    Raises:
        WiringError: For fewer than two widths.

    Source: mace-torch 0.3.16, ``RadialMLP``.
    """

    group = "radial"

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        _check(widths)
        self.maps = torch.nn.ModuleList(torch.nn.Linear(n_in, n_out) for n_in, n_out in pairwise(widths))
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(width) for width in widths[1:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(..., widths[0]) to (..., widths[-1])."""
        for linear, norm in zip(self.maps, self.norms, strict=False):
            x = torch.nn.functional.silu(norm(linear(x)))
        last: Tensor = self.maps[-1](x)
        return last


def _check(widths: Sequence[int]) -> None:
    if len(widths) < 2 or min(widths) < 1:
        raise WiringError(f"a network needs at least two widths of at least one, but has {list(widths)}")
