"""Multilayer perceptrons with residual layers and timesteps, the networks of deepmd-kit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.deepmd_activation import get_deepmd_activation
from atomgraph.nn.linear_map import LinearMap, matrices


class NetworkWeights(NamedTuple):
    """Weights of one network: for each layer the matrix, the bias, and the timestep or None."""

    layers: list[tuple[Tensor, Tensor, Tensor | None]]


class ResidualMLP(torch.nn.Module):
    r"""Several perceptrons of equal shape, with residual layers where the width stays equal or doubles.

    .. math:: y = \tau \odot \sigma(x W + b) + \begin{cases} x & n_{out} = n_{in} \\ [x, x] & n_{out} = 2 n_{in} \\
              0 & \text{otherwise} \end{cases}

    The timesteps :math:`\tau` exist only in residual layers, and only if ``timestep``. The last layer with ``n_out`` outputs is
    linear and has no residual. ``weights[t]`` is (n_networks, width, next width); ``biases[t]`` and ``timesteps[str(t)]`` are
    (n_networks, next width).

    Args:
        n_in: Number of inputs.
        hidden: Widths of the hidden layers.
        n_out: Number of outputs of the last, linear layer; None: the outputs are those of the last hidden layer.
        activation: Name of the activation function, see ``nn.deepmd_activation``.
        n_networks: Number of networks.
        timestep: Whether residual layers have timesteps.

    Raises:
        WiringError: If a width or a number is below one, or the activation is unknown.

    Source: Zhang et al., NeurIPS 31, 4436 (2018); the program deepmd-kit 3.
    """

    def __init__(
        self,
        n_in: int,
        hidden: Sequence[int],
        n_out: int | None = None,
        activation: str = "tanh",
        n_networks: int = 1,
        timestep: bool = False,
    ) -> None:
        super().__init__()
        widths = [n_in, *hidden, *([] if n_out is None else [n_out])]
        if min(widths) < 1 or len(widths) < 2 or n_networks < 1:
            raise WiringError(
                f"a perceptron needs at least one layer, and widths and a number of networks of at least one, but has the "
                f"widths {widths} and {n_networks} networks"
            )
        self.activation, self.n_hidden = get_deepmd_activation(activation), len(hidden)
        pairs = list(pairwise(widths))
        self.weights = torch.nn.ParameterList(
            torch.randn(n_networks, width, next_width) / (width + next_width) ** 0.5 for width, next_width in pairs
        )
        self.biases = torch.nn.ParameterList(
            torch.randn(n_networks, width) if t < self.n_hidden else torch.zeros(n_networks, width)
            for t, width in enumerate(widths[1:])
        )
        self.timesteps = torch.nn.ParameterDict(
            {
                str(t): 0.1 + 0.001 * torch.randn(n_networks, next_width)
                for t, (width, next_width) in enumerate(pairs)
                if timestep and t < self.n_hidden and next_width in (width, 2 * width)
            }
        )

    def tables(self, rows: Sequence[int], name: str) -> dict[str, Tensor]:
        """Copy the weights of some networks.

        Args:
            rows: Rows of the networks.
            name: Name of this module in the state dict.

        Returns:
            Weights, biases and timesteps of these networks, by their names in the state dict.
        """
        rows = list(rows)
        return {f"{name}.{key}": value.detach()[rows] for key, value in self.named_parameters()}

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the matrix of each layer and network."""
        return matrices(self, "weights.")

    def networks(self) -> list[NetworkWeights]:
        """Return the weights of each network; tables are unbound once, so that autograd stacks the derivatives once."""
        matrices_, biases = [table.unbind(0) for table in self.weights], [table.unbind(0) for table in self.biases]
        steps = {int(t): table.unbind(0) for t, table in self.timesteps.items()}
        return [
            NetworkWeights(
                [
                    (matrices_[t][row], biases[t][row], steps[t][row] if t in steps else None)
                    for t in range(len(matrices_))
                ]
            )
            for row in range(len(self.weights[0]))
        ]

    def apply_network(self, network: NetworkWeights, x: Tensor) -> Tensor:
        """Return the outputs of one network, (n, n_out), for inputs x, (n, n_in)."""
        x = self.hidden(network, x)
        for matrix, bias, _ in network.layers[self.n_hidden :]:
            x = torch.addmm(bias, x, matrix)
        return x

    def hidden(self, network: NetworkWeights, x: Tensor) -> Tensor:
        """Return the outputs of the last hidden layer of one network, (n, width), for inputs x, (n, n_in)."""
        for matrix, bias, step in network.layers[: self.n_hidden]:
            x = self._with_residual(torch.addmm(bias, x, matrix), x, step)
        return x

    def apply_all(self, x: Tensor) -> Tensor:
        """Return the outputs of all networks, (n_networks, n, n_out), for inputs x, (n_networks, n, n_in)."""
        for t, (matrix, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            y = torch.baddbmm(bias[:, None], x, matrix)
            if t >= self.n_hidden:
                x = y
            else:
                step = self.timesteps[str(t)][:, None] if str(t) in self.timesteps else None
                x = self._with_residual(y, x, step)
        return x

    def last_hidden(self, x: Tensor, row: int = 0) -> Tensor:
        """Return the outputs of the last hidden layer of the network of a row, (n, width), for inputs x, (n, n_in)."""
        return self.hidden(self.networks()[row], x)

    def _with_residual(self, y: Tensor, x: Tensor, step: Tensor | None) -> Tensor:
        """Return the activation of y, (..., n_out), times the timestep, plus x, (..., n_in), once, twice or not at all."""
        y = self.activation(y) if step is None else self.activation(y) * step
        if y.shape[-1] == x.shape[-1]:
            return y + x
        if y.shape[-1] == 2 * x.shape[-1]:
            return (y.unflatten(-1, (2, -1)) + x.unsqueeze(-2)).flatten(-2)
        return y
