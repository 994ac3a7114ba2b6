"""Fitting network of Deep Potential: a residual perceptron per element."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.by_element import apply_by_element
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.mlp import LastLayer
from atomgraph.nn.protocols import Readout
from atomgraph.nn.residual_mlp import ResidualMLP


class FittingNetwork(LastLayer, Readout):
    r"""Perceptron with residual layers, one per element or one for all, :math:`\varepsilon_i = \mathrm{net}_{z_i}(h_i)`.

    Args:
        elements: Chemical symbols, in the order of the model.
        irreps_in: Scalar features per atom, as a number or irreps (``0e``).
        readout_hidden: Widths of the hidden layers, see ``nn.residual_mlp``.
        activation: Name of the activation function, see ``nn.deepmd_activation``.
        timestep: Whether residual layers have timesteps.
        shared: Use one network for all elements, for features that depend on the element.
        excluded_elements: Elements whose atoms have the output 0.
        n_outputs: Number of outputs per atom, one per head.

    Raises:
        WiringError: If an argument is invalid.

    Source: Zhang et al., NeurIPS 31, 4436 (2018); the program deepmd-kit 3.
    """

    mlp: ResidualMLP  # type: ignore[assignment]

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str | int,
        readout_hidden: Sequence[int] = (240, 240, 240),
        activation: str = "tanh",
        timestep: bool = True,
        shared: bool = False,
        excluded_elements: Sequence[str] = (),
        n_outputs: int = 1,
    ):
        super().__init__()
        self.elements, self.shared, self.n_outputs = checked_symbols(elements), shared, n_outputs
        self.irreps_in = as_scalars(irreps_in, "FittingNetwork")
        unknown = [symbol for symbol in excluded_elements if symbol not in self.elements]
        if unknown:
            raise WiringError(
                f"excluded_elements names {unknown[0]!r}, which is no element of the model"
                f"{nearest(str(unknown[0]), self.elements)}"
            )
        self._kept = torch.tensor([symbol not in excluded_elements for symbol in self.elements])
        n_networks = 1 if shared else len(self.elements)
        self.mlp = ResidualMLP(self.irreps_in.dim, readout_hidden, n_outputs, activation, n_networks, timestep)

    def element_arguments(self, edit: ElementEdit) -> dict[str, object]:
        """Constructor arguments for other elements, with the excluded ones among them."""
        arguments = super().element_arguments(edit)
        excluded = [name for symbol in arguments["excluded_elements"] for name in edit.successors(symbol)]
        return arguments | {"excluded_elements": excluded}

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return the networks of the new elements."""
        return {} if self.shared else self.mlp.tables(edit.rows, "mlp")

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, irreps_in.dim)."""
        functions = [partial(self.mlp.apply_network, network) for network in self.mlp.networks()]
        outputs = functions[0](h) if len(functions) == 1 else apply_by_element(functions, h, edges.element)
        if bool(self._kept.all()):
            return outputs
        return outputs * self._kept.to(outputs.device)[edges.element].to(outputs.dtype)[:, None]

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Return the outputs of the last hidden layer and a column of ones, (n_atoms, n); zeros for excluded elements."""
        return super().basis(h, element) * float(self._kept[element])
