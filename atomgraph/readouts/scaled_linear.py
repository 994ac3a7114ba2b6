"""Linear readout of invariant features with weights of order one."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_irreps, scalar_columns, select_columns
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import Readout
from atomgraph.old_names import OldAttribute


class ScaledLinear(Readout):
    r"""Scaled linear readout, :math:`\varepsilon_{i a} = \frac{1}{\sqrt C} \sum_c h_{i c} W_{c a}`, with heads a.

    The sum is over the C invariant (``0e``) features. The parameter ``weight`` (W) has the shape (C, n_outputs) and an
    initial normal distribution. ``Linear`` has the same form without the factor :math:`1/\sqrt C`. The factor
    makes the effect of an optimiser step independent of C.

    Args:
        irreps_in: Irreps of the features, or the number of features if all are scalars.
        n_outputs: Number of outputs per atom, one per head.

    Raises:
        WiringError: If the features contain no ``0e``, or there is no output.

    Source: Batatia et al., NeurIPS 2022, Eq. 13.
    """

    def __init__(self, irreps_in: o3.Irreps | str | int, n_outputs: int = 1):
        super().__init__()
        self.irreps_in, self.n_outputs = as_irreps(irreps_in), n_outputs
        self._columns = scalar_columns(self.irreps_in)
        if not self._columns or n_outputs < 1:
            raise WiringError(
                f"a readout needs 0e features and at least one output, but has {self.irreps_in} and {n_outputs} outputs"
            )
        self.weight = torch.nn.Parameter(torch.randn(len(self._columns), n_outputs))

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrix of the features."""
        return matrices(self, "weight")

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return ``weight``, (C, n_new_heads), for the new heads."""
        return {"weight": self.weight[..., rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, irreps_in.dim)."""
        scalars = select_columns(h, self._columns)
        return scalars @ (self.weight / len(self._columns) ** 0.5)

    @property
    def n_unknowns(self) -> int:
        """Number of linear weights, which are equal for all elements."""
        return len(self.weight)

    def weight_slice(self, element: int) -> slice:
        """Return the indices of all linear weights, because every element has the same weights."""
        return slice(0, self.n_unknowns)

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Return the basis functions of atoms of one element, (n_atoms, n), of features h, (n_atoms, n_features)."""
        scalars = select_columns(h, self._columns)
        return scalars / len(self._columns) ** 0.5

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        """Return None: autograd computes the derivatives, see ``LinearReadout.basis_jacobian``."""
        return None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Set the linear weights, (n_unknowns,)."""
        self.weight.copy_(weights[:, None])

    unknowns_of = OldAttribute("weight_slice")
    basis_slopes = OldAttribute("basis_jacobian")
    take = OldAttribute("set_weights")
