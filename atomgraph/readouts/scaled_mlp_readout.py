"""Perceptron of the invariant features without biases, with weights of order one; all heads share the hidden layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.equivariant.radial_network import ScaledMLP
from atomgraph.nn.irreps import as_irreps, scalar_columns, select_columns
from atomgraph.nn.protocols import Readout


class ScaledMLPReadout(Readout):
    r"""Perceptron without biases, :math:`\varepsilon_i = \mathrm{MLP}(h_i)`, with weights of order one.

    The layers are :math:`x \to g\,\sigma(x W/\sqrt{n_{in}})`. The last layer is linear and has one column per head. Without
    hidden layers this is ``ScaledLinear``.

    Args:
        irreps_in: Irreps of the features, or the number of features if all are scalars; only the ``0e`` features are used.
        readout_hidden: Widths of the hidden layers.
        n_outputs: Number of outputs per atom, one per head.
        activation: Name of the activation function σ.
        activation_gain: Factor g on the activation, no unit; None: the value in ``nn.activation.E3NN_GAINS``.

    Raises:
        WiringError: If the features contain no ``0e``, a number is below one, or the activation is unknown.

    Source: Batzner et al., Nat. Commun. 13, 2453 (2022); the programs nequip 0.19 and SevenNet.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps | str | int,
        readout_hidden: Sequence[int] = (),
        n_outputs: int = 1,
        activation: str = "silu",
        activation_gain: float | None = None,
    ):
        super().__init__()
        self.irreps_in, self.n_outputs = as_irreps(irreps_in), n_outputs
        self._columns = scalar_columns(self.irreps_in)
        if not self._columns:
            raise WiringError(f"a readout needs 0e features, but has {self.irreps_in}")
        self.network = ScaledMLP([len(self._columns), *readout_hidden, n_outputs], activation, activation_gain)
        self.network.group = "readout"

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return the columns of some heads in the last layer."""
        last = len(self.network.weights) - 1
        return {f"network.weights.{last}": self.network.weights[last][:, rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, irreps_in.dim)."""
        return self.network(select_columns(h, self._columns))

    @property
    def n_unknowns(self) -> int:
        """Number of weights of the last layer, which all elements share."""
        return len(self.network.weights[-1])

    def weight_slice(self, element: int) -> slice:
        """Return the indices of the weights of an element among all linear weights."""
        return slice(0, self.n_unknowns)

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Return the scaled last hidden layer for atoms of one element, (n_atoms, n), of features h, (n_atoms, n_features)."""
        gain = self.network.gain if len(self.network.weights) > 1 else 1.0
        return self.network.hidden(select_columns(h, self._columns)) * (gain / self.n_unknowns**0.5)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        """Return None, because the derivatives do not have the form of ``LinearReadout``."""
        return None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Set the weights of the last layer, (n_unknowns,)."""
        self.network.weights[-1].copy_(weights[:, None])
