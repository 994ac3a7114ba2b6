"""Linear readout with separate weights for each element, as in SNAP and other linear potentials."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import Readout
from atomgraph.old_names import OldAttribute


class PerElementLinear(Readout):
    r"""Linear readout with weights for each element, :math:`\varepsilon_i = \sum_k w_{z_i k} h_{ik} (+ b_{z_i})`.

    Parameters: ``weight``, (n_elements, n_features, n_outputs), and ``bias``, (n_elements, n_outputs) or None.

    Args:
        elements: Chemical symbols, in the order of the model.
        irreps_in: Scalar features per atom, as a number or irreps (``0e``).
        n_outputs: Number of outputs per atom, one per head.
        bias: Add a constant b for each element, eV.

    Raises:
        WiringError: If there are no features or no outputs, or a symbol is not an element.
    """

    def __init__(
        self, elements: Sequence[str], irreps_in: o3.Irreps | str | int, n_outputs: int = 1, bias: bool = False
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        self.irreps_in = as_scalars(irreps_in, "PerElementLinear")
        self.n_outputs = n_outputs
        if n_outputs < 1:
            raise WiringError(f"a linear readout needs at least one output, but n_outputs is {n_outputs}")
        n_features = self.irreps_in.dim
        shape = (len(self.elements), n_features, n_outputs)
        self.weight = torch.nn.Parameter(torch.randn(shape) / n_features**0.5)
        self.bias = torch.nn.Parameter(torch.zeros(len(self.elements), n_outputs)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrix of each element."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return ``weight`` and ``bias`` of the elements after the edit."""
        weights = {"weight": self.weight[edit.rows]}
        return weights if self.bias is None else weights | {"bias": self.bias[edit.rows]}

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return ``weight``, (n_elements, n_features, n_new_heads), and ``bias``, (n_elements, n_new_heads), for new heads.

        Args:
            rows: For each new head, the index of the old head whose weights are copied (last axis of ``weight``).
        """
        weights = {"weight": self.weight[..., rows]}
        return weights if self.bias is None else weights | {"bias": self.bias[..., rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, n_features)."""
        n_elements, _, n_outputs = self.weight.shape
        if n_elements == 1:
            energy = h @ self.weight[0]
        else:
            # one product with the weights of all elements is faster than one product per element
            products = (h @ self.weight.transpose(0, 1).flatten(1)).view(len(h), n_elements, n_outputs)
            rows = edges.element[:, None, None].expand(-1, 1, n_outputs)
            energy = products.gather(1, rows)[:, 0]
        return energy if self.bias is None else energy + self.bias[edges.element]

    @property
    def n_unknowns(self) -> int:
        """Number of linear weights of all elements."""
        return len(self.elements) * self._weights_per_element

    @property
    def _weights_per_element(self) -> int:
        """Number of linear weights of one element."""
        return self.weight.shape[1] + (self.bias is not None)

    def weight_slice(self, element: int) -> slice:
        """Return the indices of the weights of an element among all linear weights."""
        return slice(element * self._weights_per_element, (element + 1) * self._weights_per_element)

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Return the basis functions of atoms of one element, (n_atoms, n), of features h, (n_atoms, n_features)."""
        return h if self.bias is None else torch.cat([h, torch.ones_like(h[:, :1])], dim=1)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        """Return (None, None): each basis function is a feature, so d is the unit matrix and f is 1, see ``LinearReadout``."""
        return None, None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Set the linear weights, (n_unknowns,)."""
        table = weights.view(len(self.elements), self._weights_per_element)
        n = self.weight.shape[1]
        self.weight.copy_(table[:, :n, None])
        if self.bias is not None:
            self.bias.copy_(table[:, n:])

    unknowns_of = OldAttribute("weight_slice")
    basis_slopes = OldAttribute("basis_jacobian")
    take = OldAttribute("set_weights")
