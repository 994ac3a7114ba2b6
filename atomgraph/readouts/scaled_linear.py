"""Linear readout of invariant features, scaled so that its weights are of order one."""

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


class ScaledLinear(Readout):
    r""":math:`\varepsilon_{i h} = \frac{1}{\sqrt C} \sum_c h_{i c} W_{c h}`, c over the ``0e`` columns of the features only.

    ``weight`` is (C, n_outputs), normally distributed at first: the same function as ``Linear``, but steps of an optimiser
    that are equal for all weights mean the same whatever C is.

    Args:
        irreps_in: Irreps of the features, or their number.
        n_outputs: Columns of the result, one a head.

    Raises:
        WiringError: Where the features hold no ``0e``.

    Source: Batatia et al., NeurIPS 2022, Eq. 13.
    """

    def __init__(self, irreps_in: o3.Irreps | str | int, n_outputs: int = 1):
        super().__init__()
        self.irreps_in, self.n_outputs = as_irreps(irreps_in), n_outputs
        self._columns = scalar_columns(self.irreps_in)
        if not self._columns or n_outputs < 1:
            raise WiringError(f"a readout of {n_outputs} outputs cannot read {self.irreps_in}: it needs 0e features")
        self.weight = torch.nn.Parameter(torch.randn(len(self._columns), n_outputs))

    def linear_maps(self) -> dict[str, LinearMap]:
        """The matrix of the features."""
        return matrices(self, "weight")

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """The columns of the heads."""
        return {"weight": self.weight[..., rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim) to (n_atoms, n_outputs)."""
        scalars = h if len(self._columns) == h.shape[1] else h[:, self._columns]
        return scalars @ (self.weight / len(self._columns) ** 0.5)

    @property
    def n_unknowns(self) -> int:
        return len(self.weight)

    def weight_slice(self, element: int) -> slice:
        return slice(0, self.n_unknowns)

    def basis(self, h: Tensor, element: int) -> Tensor:
        scalars = h if len(self._columns) == h.shape[1] else h[:, self._columns]
        return scalars / len(self._columns) ** 0.5

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        return None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        self.weight.copy_(weights[:, None])
