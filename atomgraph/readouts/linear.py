"""Linear readout: atomic energies are linear in the scalar features, with equal weights for all elements."""

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


class Linear(Readout):
    r"""Linear readout, :math:`\varepsilon_i = \sum_k w_k h_{ik} (+ b)`, with k over the invariant (``0e``) features.

    The parameter ``weight`` has the shape (n_scalars, n_outputs). A linear fit can determine the weights in closed form.

    Args:
        irreps_in: Irreps of the features, or the number of features if all are scalars.
        n_outputs: Number of outputs per atom, one per head.
        bias: Add a constant b, eV. It is rarely needed, because E0 of the baseline is also a constant per atom.

    Raises:
        WiringError: If the features contain no ``0e``, or there is no output.
    """

    def __init__(self, irreps_in: o3.Irreps | str | int, n_outputs: int = 1, bias: bool = False):
        super().__init__()
        self.irreps_in = as_irreps(irreps_in)
        self.n_outputs = n_outputs
        self._columns = scalar_columns(self.irreps_in)
        if not self._columns or n_outputs < 1:
            raise WiringError(
                f"a linear readout needs 0e features and at least one output, but has {self.irreps_in} and {n_outputs} outputs"
            )
        self.weight = torch.nn.Parameter(torch.randn(len(self._columns), n_outputs) / len(self._columns) ** 0.5)
        self.bias = torch.nn.Parameter(torch.zeros(n_outputs)) if bias else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrix of the features."""
        return matrices(self, "weight")

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return ``weight``, (n_scalars, n_new_heads), and ``bias``, (n_new_heads,), for the new heads."""
        weights = {"weight": self.weight[..., rows]}
        return weights if self.bias is None else weights | {"bias": self.bias[..., rows]}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, irreps_in.dim)."""
        scalars = select_columns(h, self._columns)
        energy = scalars @ self.weight
        return energy if self.bias is None else energy + self.bias

    @property
    def n_unknowns(self) -> int:
        """Number of linear weights, which are equal for all elements."""
        return len(self.weight) + (self.bias is not None)

    def weight_slice(self, element: int) -> slice:
        """Return the indices of all linear weights, because every element has the same weights."""
        return slice(0, self.n_unknowns)

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Return the basis functions of atoms of one element, (n_atoms, n), of features h, (n_atoms, n_features)."""
        scalars = select_columns(h, self._columns)
        return scalars if self.bias is None else torch.cat([scalars, torch.ones_like(scalars[:, :1])], dim=1)

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        """Return (None, None), because the basis functions are the features; None if some features are not ``0e``."""
        return (None, None) if len(self._columns) == h.shape[1] else None

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Set the linear weights, (n_unknowns,)."""
        n = len(self.weight)
        self.weight.copy_(weights[:n, None])
        if self.bias is not None:
            self.bias.copy_(weights[n:])

    unknowns_of = OldAttribute("weight_slice")
    basis_slopes = OldAttribute("basis_jacobian")
    take = OldAttribute("set_weights")
