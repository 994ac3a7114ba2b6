"""Radial networks: multilayer perceptrons from the radial embedding of an edge to weights, in MACE's two forms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.activation import E3NN_GAINS, get_activation
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.part import Part


class ScaledMLP(Part):
    r"""Perceptron without biases, with layers :math:`x \to c\,\sigma(x W / \sqrt{n_{in}})` and a linear last layer.

    ``weights[t]`` is (n_in, n_out), initialised with normally distributed numbers.

    Args:
        widths: Number of inputs, widths of the hidden layers, number of outputs.
        activation: Name of the activation function σ.
        activation_gain: Factor c, no unit, which keeps the mean square of normally distributed inputs at one; None: the value
            in ``E3NN_GAINS``.

    Raises:
        WiringError: If there are fewer than two widths, or the activation is unknown.

    Source: Geiger and Smidt, arXiv:2207.09453 (``nn.FullyConnectedNet``).
    """

    group = "radial"

    def __init__(self, widths: Sequence[int], activation: str = "silu", activation_gain: float | None = None):
        super().__init__()
        _check_widths(widths)
        self.activation = get_activation(activation)
        self.gain = E3NN_GAINS[activation] if activation_gain is None else activation_gain
        self.weights = torch.nn.ParameterList(torch.randn(n_in, n_out) for n_in, n_out in pairwise(widths))

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the matrix of each layer."""
        return matrices(self, "weights.")

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs, (..., widths[0]), to outputs, (..., widths[-1])."""
        return self.hidden(x) @ self.last

    def hidden(self, x: Tensor) -> Tensor:
        """Compute the last hidden layer, (..., widths[-2]); the output is linear in this layer."""
        for depth in range(len(self.weights) - 1):
            x = self.activation(x @ self._scaled_weight(depth))
        return x

    @property
    def last(self) -> Tensor:
        """Matrix of the last layer, including scale and gain, (widths[-2], widths[-1])."""
        return self._scaled_weight(len(self.weights) - 1)

    def _scaled_weight(self, depth: int) -> Tensor:
        """Matrix of a layer, (n_in, n_out), divided by √n_in, times the gain of the activation before the layer."""
        weight = self.weights[depth]
        return weight * (len(weight) ** -0.5 * (self.gain if depth > 0 else 1.0))


class NormalisedMLP(Part):
    r"""Perceptron with layers :math:`x \to \mathrm{silu}(\mathrm{norm}(x W^T + b))` and a linear last layer.

    The function norm is layer normalisation with ε = 10⁻⁵. The last layer is :math:`x W^T + b`.

    Args:
        widths: Number of inputs, widths of the hidden layers, number of outputs.

    Raises:
        WiringError: If there are fewer than two widths.

    Source: mace-torch 0.3.16, ``RadialMLP``.
    """

    group = "radial"

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        _check_widths(widths)
        self.maps = torch.nn.ModuleList(torch.nn.Linear(n_in, n_out) for n_in, n_out in pairwise(widths))
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(width) for width in widths[1:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs, (..., widths[0]), to outputs, (..., widths[-1])."""
        for linear, norm in zip(self.maps, self.norms, strict=False):
            x = torch.nn.functional.silu(norm(linear(x)))
        outputs: Tensor = self.maps[-1](x)
        return outputs


def _check_widths(widths: Sequence[int]) -> None:
    if len(widths) < 2 or min(widths) < 1:
        raise WiringError(f"a network needs at least two widths of at least one, but has {list(widths)}")
