"""Multilayer perceptrons: one network for all atoms, or one per element."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.activation import ACTIVATIONS, get_activation
from atomgraph.nn.by_element import apply_by_element
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.old_names import OldAttribute


class MLP(torch.nn.Module):
    r"""Multilayer perceptron, :math:`h^{(t+1)} = \sigma(h^{(t)} W^{(t)}_z + b^{(t)}_z)`, with a linear last layer.

    ``weights[t]`` is (n_elements, width, next width), and ``biases[t]`` is (n_elements, next width).

    Args:
        n_in: Number of inputs.
        hidden: Widths of the hidden layers.
        n_out: Number of outputs.
        activation: Name of the activation function σ, in ``nn.activation.ACTIVATIONS``.
        n_elements: Number of sets of weights; z is the row of an element.

    Raises:
        WiringError: If a width is below one, or the activation is unknown.
    """

    def __init__(
        self, n_in: int, hidden: Sequence[int], n_out: int, activation: str = "silu", n_elements: int = 1
    ) -> None:
        super().__init__()
        widths = [n_in, *hidden, n_out]
        if min(widths) < 1 or n_elements < 1:
            raise WiringError(
                f"a multilayer perceptron needs widths and n_elements of at least one, but has {widths} and {n_elements}"
            )
        self.activation = get_activation(activation)
        gain = ACTIVATIONS[activation][1]
        gains = [1.0] + [gain] * len(hidden)
        self.weights = torch.nn.ParameterList(
            torch.randn(n_elements, width, next_width) * (layer_gain / width**0.5)
            for layer_gain, width, next_width in zip(gains, widths, widths[1:], strict=False)
        )
        self.biases = torch.nn.ParameterList(torch.zeros(n_elements, width) for width in widths[1:])

    @torch.no_grad()
    def set_xavier_weights(self) -> MLP:
        r"""Set new initial weights, uniform between :math:`\pm\sqrt{6 / (n_{in} + n_{out})}`, and return the perceptron.

        Source: Glorot and Bengio, AISTATS 2010; the program schnetpack.
        """
        for weight in self.weights:
            weight.uniform_(-1.0, 1.0).mul_((6.0 / (weight.shape[1] + weight.shape[2])) ** 0.5)
        return self

    def element_tables(self, edit: ElementEdit, name: str) -> dict[str, Tensor]:
        """Weights and biases for changed elements.

        If the columns of the features changed, a new column has the weights of its old column. Old columns without a new
        column are constant, and their product with the weights is added to the bias, :math:`b + h^0 W`.

        Args:
            edit: Change of the elements.
            name: Name of this perceptron in the state dict.

        Returns:
            Tables by their names in the state dict.
        """
        parts = {"weights": self.weights, "biases": self.biases}
        tables = {
            f"{name}.{kind}.{t}": table[edit.rows] for kind, layers in parts.items() for t, table in enumerate(layers)
        }
        if edit.columns is not None:
            weights, biases = self.weights[0].detach().double(), self.biases[0].detach().double()
            columns, factors = edit.columns.tables()
            rows = zip(edit.rows, columns, factors, edit.columns.constants.to(weights), strict=True)
            first_layers = [  # weights and biases of the first layer of each element
                (weights[row][column] * factor[:, None], biases[row] + h @ weights[row])
                for row, column, factor, h in rows
            ]
            tables[f"{name}.weights.0"] = torch.stack([weight for weight, _ in first_layers]).to(self.weights[0])
            tables[f"{name}.biases.0"] = torch.stack([bias for _, bias in first_layers]).to(self.biases[0])
        return tables

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the matrix of each layer and element."""
        return matrices(self, "weights.")

    def forward(self, x: Tensor, element: Tensor | None = None) -> Tensor:
        """Compute the outputs, (n_atoms, n_out).

        Args:
            x: Inputs, (n_atoms, n_in).
            element: Row of each atom's element, (n_atoms,); None only with one set of weights.
        """
        if element is None and len(self.weights[0]) > 1:
            raise WiringError(
                f"the perceptron has weights for {len(self.weights[0])} elements and needs each atom's element, but got None"
            )
        # weights and biases of each network; tables are unbound once, so that autograd stacks the derivatives only once
        networks = zip(
            zip(*(weight.unbind(0) for weight in self.weights), strict=True),
            zip(*(bias.unbind(0) for bias in self.biases), strict=True),
            strict=True,
        )
        if element is None or len(self.weights[0]) == 1:
            return self._apply_network(x, *next(networks))
        functions = [partial(self._apply_network, weights=weights, biases=biases) for weights, biases in networks]
        return apply_by_element(functions, x, element)

    def _apply_network(self, x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
        for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            x = torch.addmm(bias, x if depth == 0 else self.activation(x), weight)
        return x

    def last_hidden(self, x: Tensor, element: int = 0) -> Tensor:
        """Input of the last layer for atoms of one element, (n_atoms, width); x without hidden layers."""
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x if depth == 0 else self.activation(x)
            if depth == len(self.weights) - 1:
                break
            x = torch.addmm(bias[element], x, weight[element])
        return x


class LastLayer:
    """Mixin for readouts with an ``mlp``: a fit can solve for weights and bias of the last layer (``LinearReadout``)."""

    mlp: MLP

    @property
    def n_unknowns(self) -> int:
        """Number of weights and biases of the last layer, for all elements."""
        return len(self.mlp.weights[-1]) * self._n_per_element

    @property
    def _n_per_element(self) -> int:
        return int(self.mlp.weights[-1].shape[1]) + 1

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Weights, (n_elements, width, n_new_heads), and biases, (n_elements, n_new_heads), of the last layer for new heads."""
        last = len(self.mlp.weights) - 1
        return {
            f"mlp.weights.{last}": self.mlp.weights[-1][..., rows],
            f"mlp.biases.{last}": self.mlp.biases[-1][..., rows],
        }

    def weight_slice(self, element: int) -> slice:
        row = self._row(element)
        return slice(row * self._n_per_element, (row + 1) * self._n_per_element)

    def basis(self, h: Tensor, element: int) -> Tensor:
        x = self.mlp.last_hidden(h, self._row(element))
        return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        return None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        table = weights.view(len(self.mlp.weights[-1]), -1, 1)
        self.mlp.weights[-1].copy_(table[:, :-1])
        self.mlp.biases[-1].copy_(table[:, -1])

    def _row(self, element: int) -> int:
        """Row of the weights of an element; 0 if all elements have the same weights."""
        return element if len(self.mlp.weights[-1]) > 1 else 0

    unknowns_of = OldAttribute("weight_slice")
    basis_slopes = OldAttribute("basis_jacobian")
    take = OldAttribute("set_weights")
