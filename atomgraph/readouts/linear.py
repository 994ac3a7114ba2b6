"""Linear readout: an atom's energy is linear in its features."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_irreps, scalar_columns
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import Readout


class Linear(Readout):
    r""":math:`\varepsilon_i = \sum_k w_k h_{ik} (+ b)`, k running over the invariant (``0e``) columns of the features only.

    ``weight`` is one tensor (n_scalars, n_outputs), so that it can be solved for in closed form.

    Args:
        irreps_in: Irreps of the features, or their number where all are scalars.
        n_outputs: Columns of the result, one a head.
        bias: Adds b, an energy that an atom has without neighbours; E0 of the baseline holds it already.

    Raises:
        WiringError: Where the features hold no ``0e``.
    """

    def __init__(self, irreps_in: o3.Irreps | str | int, n_outputs: int = 1, bias: bool = False):
        super().__init__()
        self.irreps_in = as_irreps(irreps_in)
        self.n_outputs = n_outputs
        self._columns = scalar_columns(self.irreps_in)
        if not self._columns or n_outputs < 1:
            raise WiringError(
                f"a linear readout of {n_outputs} outputs cannot read {self.irreps_in}: it needs 0e features"
            )
        self.weight = torch.nn.Parameter(torch.randn(len(self._columns), n_outputs) / len(self._columns) ** 0.5)
        self.bias = torch.nn.Parameter(torch.zeros(n_outputs)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """The matrix of the features."""
        return matrices(self, "weight")

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """The columns of the heads."""
        weights = {"weight": self.weight[..., rows]}
        return weights if self.bias is None else weights | {"bias": self.bias[..., rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim) to (n_atoms, n_outputs)."""
        scalars = h if len(self._columns) == h.shape[1] else h[:, self._columns]
        local = scalars @ self.weight
        return local if self.bias is None else local + self.bias

    @property
    def n_unknowns(self) -> int:
        return len(self.weight) + (self.bias is not None)

    def weight_slice(self, element: int) -> slice:
        return slice(0, self.n_unknowns)

    def basis(self, h: Tensor, element: int) -> Tensor:
        scalars = h if len(self._columns) == h.shape[1] else h[:, self._columns]
        return scalars if self.bias is None else torch.cat([scalars, torch.ones_like(scalars[:, :1])], dim=1)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        return (None, None) if len(self._columns) == h.shape[1] else None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        n = len(self.weight)
        self.weight.copy_(weights[:n, None])
        if self.bias is not None:
            self.bias.copy_(weights[n:])
