"""Linear readout with weights of their own for each element: SNAP's, and that of other linear potentials."""

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


class PerElementLinear(Readout):
    r""":math:`\varepsilon_i = \sum_k w_{z_i k} h_{ik} (+ b_{z_i})`: linear in the features, atoms of one element share weights.

    ``weight`` is (n_elements, n_features, n_outputs), ``bias`` (n_elements, n_outputs) or None.

    Args:
        elements: Chemical symbols, in the model's order.
        irreps_in: Scalars per atom, their number or irreps (``0e``).
        n_outputs: Columns of the result, one a head.
        bias: Adds b, an energy that an atom of the element has without features.

    Raises:
        WiringError: For no features, no outputs, or what are no elements.
    """

    def __init__(
        self, elements: Sequence[str], irreps_in: o3.Irreps | str | int, n_outputs: int = 1, bias: bool = False
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        self.irreps_in = as_scalars(irreps_in, "PerElementLinear")
        self.n_outputs = n_outputs
        if n_outputs < 1:
            raise WiringError(f"a linear readout needs at least one output, but was given {n_outputs}")
        n_features = self.irreps_in.dim
        shape = (len(self.elements), n_features, n_outputs)
        self.weight = torch.nn.Parameter(torch.randn(shape) / n_features**0.5)
        self.bias = torch.nn.Parameter(torch.zeros(len(self.elements), n_outputs)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """The matrix of each element."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The weights of each element."""
        weights = {"weight": self.weight[edit.rows]}
        return weights if self.bias is None else weights | {"bias": self.bias[edit.rows]}

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """The columns of the heads."""
        weights = {"weight": self.weight[..., rows]}
        return weights if self.bias is None else weights | {"bias": self.bias[..., rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_features) to (n_atoms, n_outputs)."""
        n_elements, _, n_outputs = self.weight.shape
        if n_elements == 1:
            local = h @ self.weight[0]
        else:
            every = h @ self.weight.transpose(0, 1).flatten(
                1
            )  # for every element; few columns, so the spare ones are cheap
            rows = edges.element[:, None, None].expand(-1, 1, n_outputs)
            local = every.view(len(h), n_elements, n_outputs).gather(1, rows)[:, 0]
        return local if self.bias is None else local + self.bias[edges.element]

    @property
    def n_unknowns(self) -> int:
        return len(self.elements) * self._n_each

    @property
    def _n_each(self) -> int:
        return self.weight.shape[1] + (self.bias is not None)

    def weight_slice(self, element: int) -> slice:
        return slice(element * self._n_each, (element + 1) * self._n_each)

    def basis(self, h: Tensor, element: int) -> Tensor:
        return h if self.bias is None else torch.cat([h, torch.ones_like(h[:, :1])], dim=1)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        return None, None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        table = weights.view(len(self.elements), self._n_each)
        n = self.weight.shape[1]
        self.weight.copy_(table[:, :n, None])
        if self.bias is not None:
            self.bias.copy_(table[:, n:])
