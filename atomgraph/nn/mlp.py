"""Multilayer perceptrons, one for all atoms or one for each element."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.activation import ACTIVATIONS, activation_of
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.linear_map import LinearMap, matrices


class MLP(torch.nn.Module):
    r""":math:`h^{(t+1)} = \sigma(h^{(t)} W^{(t)}_z + b^{(t)}_z)`, the last layer without :math:`\sigma`.

    ``weights[t]`` is (n_elements, width, next width), ``biases[t]`` (n_elements, next width).

    Args:
        n_in, hidden, n_out: Widths.
        activation: ``silu``, ``tanh`` or ``softplus``, all of them smooth.
        n_elements: How many sets of weights there are, z being a row of an element table.

    Raises:
        WiringError: For a width below one or an unknown activation.
    """

    def __init__(
        self, n_in: int, hidden: Sequence[int], n_out: int, activation: str = "silu", n_elements: int = 1
    ) -> None:
        super().__init__()
        widths = [n_in, *hidden, n_out]
        if min(widths) < 1 or n_elements < 1:
            raise WiringError(f"a multilayer perceptron needs widths of at least one, but has {widths}")
        self.activation = activation_of(activation)
        gain = ACTIVATIONS[activation][1]
        gains = [1.0] + [gain] * len(hidden)
        self.weights = torch.nn.ParameterList(
            torch.randn(n_elements, n_before, n_after) * (gain / n_before**0.5)
            for gain, n_before, n_after in zip(gains, widths, widths[1:], strict=False)
        )
        self.biases = torch.nn.ParameterList(torch.zeros(n_elements, n_after) for n_after in widths[1:])

    def element_tables(self, edit: ElementEdit, name: str) -> dict[str, Tensor]:
        """Weights and biases of other elements, by the names of a state dict in which this perceptron is called ``name``.

        Where the columns of the features changed, the first layer follows: a new column gets the weights of its old one, and
        the bias takes what old columns without a new one were, :math:`b + h^0 W`.
        """
        parts = {"weights": self.weights, "biases": self.biases}
        tables = {
            f"{name}.{kind}.{t}": table[edit.rows] for kind, tables in parts.items() for t, table in enumerate(tables)
        }
        if edit.columns is not None:
            old, bias = self.weights[0].detach().double(), self.biases[0].detach().double()
            columns, times = edit.columns.tables()
            rows = zip(edit.rows, columns, times, edit.columns.constants.to(old), strict=True)
            new = [(old[row][column] * time[:, None], bias[row] + h @ old[row]) for row, column, time, h in rows]
            tables[f"{name}.weights.0"] = torch.stack([weight for weight, _ in new]).to(self.weights[0])
            tables[f"{name}.biases.0"] = torch.stack([value for _, value in new]).to(self.biases[0])
        return tables

    def linear_maps(self) -> dict[str, LinearMap]:
        """The matrix of each layer and element."""
        return matrices(self, "weights.")

    def forward(self, x: Tensor, element: Tensor | None = None) -> Tensor:
        """(n_atoms, n_in) to (n_atoms, n_out).

        Args:
            element: (n_atoms,) rows of the weights; needed if there are several.
        """
        if element is None and len(self.weights[0]) > 1:
            raise WiringError(f"the perceptron has {len(self.weights[0])} elements; it needs to know each atom's")
        networks = zip(
            zip(*(weight.unbind(0) for weight in self.weights), strict=True),
            zip(*(bias.unbind(0) for bias in self.biases), strict=True),
            strict=True,
        )  # unbound once: the derivatives of all elements come together again in one stack
        if element is None or len(self.weights[0]) == 1:
            return self._of_one_element(x, *next(networks))
        order = torch.argsort(element, stable=True)
        blocks = x.index_select(0, order).split(torch.bincount(element, minlength=len(self.weights[0])).tolist())
        outputs = [
            self._of_one_element(block, *network) for block, network in zip(blocks, networks, strict=True) if len(block)
        ]
        return torch.cat(outputs).index_select(0, torch.argsort(order))

    def _of_one_element(self, x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
        for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            x = torch.addmm(bias, x if depth == 0 else self.activation(x), weight)
        return x

    def last_hidden(self, x: Tensor, element: int = 0) -> Tensor:
        """(n_atoms, width): what the last layer reads, after its σ, of atoms of one element; x itself without hidden layers."""
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x if depth == 0 else self.activation(x)
            if depth == len(self.weights) - 1:
                break
            x = torch.addmm(bias[element], x, weight[element])
        return x


class LastLayer:
    """Lets the last layer of a readout with an ``mlp``, weights and bias, be solved for (``nn.protocols.LinearReadout``)."""

    mlp: MLP

    @property
    def n_unknowns(self) -> int:
        return len(self.mlp.weights[-1]) * self._n_each

    @property
    def _n_each(self) -> int:
        return int(self.mlp.weights[-1].shape[1]) + 1

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """The columns of the last layer."""
        last = len(self.mlp.weights) - 1
        return {
            f"mlp.weights.{last}": self.mlp.weights[-1][..., rows],
            f"mlp.biases.{last}": self.mlp.biases[-1][..., rows],
        }

    def weight_slice(self, element: int) -> slice:
        row = self._row(element)
        return slice(row * self._n_each, (row + 1) * self._n_each)

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
        """The weights of an element: its own, or those that all share."""
        return element if len(self.mlp.weights[-1]) > 1 else 0
