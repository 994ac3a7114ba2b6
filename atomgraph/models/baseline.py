"""Baseline: what is known before anything is learned. E0 per element, scale, shift, and a repulsion at short range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part


class Baseline(Float64Buffers, Part):
    r""":math:`E_i = E0_{head, z_i} + s_{head}\,\varepsilon_i + t_{head} + V^{rep}_i`.

    E0, scale and shift start at 0, 1 and 0 and are set from data (``set_e0``, ``set_scale``); they are not trained.
    They stay float64 whatever the model's dtype, since E0 of thousands of eV would drown the rest in float32.

    Args:
        elements: Chemical symbols, in the model's order.
        heads: Names of the heads.
        repulsion: A part ``(graph, edges) -> (n_atoms,)`` in eV, such as ``atomgraph.nn.ZBL``, or None.
        scales_repulsion: The scale is for the repulsion, too, :math:`s (\varepsilon_i + V_i)`, as in files of MACE.
        exact_isolated: An atom without neighbours has exactly E0. The model subtracts what its branches give for an
            isolated atom of the element (``models.isolated``), and shift stays 0.
    """

    e0: Tensor
    scale: Tensor
    shift: Tensor
    _always_double = ("e0", "scale", "shift")

    def __init__(
        self,
        elements: Sequence[str],
        heads: Sequence[str] = ("default",),
        repulsion: Part | None = None,
        scales_repulsion: bool = False,
        exact_isolated: bool = False,
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        if isinstance(heads, str) or not heads or len(set(heads)) != len(heads):
            raise WiringError(f"heads should be a list of distinct names, but is {heads!r}")
        self.heads = list(heads)
        self.repulsion: Any = repulsion
        self.scales_repulsion = scales_repulsion
        self.exact_isolated = exact_isolated
        self.register_buffer("e0", torch.zeros(len(self.heads), len(self.elements), dtype=torch.float64))
        self.register_buffer("scale", torch.ones(len(self.heads), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(len(self.heads), dtype=torch.float64))

    @property
    def cutoff(self) -> float:
        """Reach of the repulsion in Å; 0 without one."""
        return 0.0 if self.repulsion is None else float(self.repulsion.cutoff)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The energies of free atoms of each element."""
        return {"e0": self.e0[:, edit.rows]}

    def forward(self, local: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms,) eV in float64 from local energies: (n_atoms, 1) for all heads, or (n_atoms, n_heads)."""
        head = graph.head[graph.graph_of_atom]
        repulsion = None if self.repulsion is None else self.repulsion(graph, edges.within(self.cutoff))
        return self.total(self.of_head(local, head), repulsion, head, edges.element)

    def total(self, epsilon: Tensor, repulsion: Tensor | None, head: Tensor, element: Tensor) -> Tensor:
        """The sum, (n_atoms,) eV in float64, of local energies and repulsions (n_atoms,).

        Args:
            head, element: Rows of each atom in E0, scale and shift.
        """
        epsilon, constant = epsilon.to(self.e0.dtype), self.e0[head, element] + self.shift[head]
        if repulsion is None:
            return constant + self.scale[head] * epsilon
        repulsion = repulsion.to(self.e0.dtype)
        if self.scales_repulsion:
            return constant + self.scale[head] * (epsilon + repulsion)
        return constant + self.scale[head] * epsilon + repulsion

    @staticmethod
    def of_head(local: Tensor, head: Tensor) -> Tensor:
        """The column of each atom's head (n_atoms,) of (n_atoms, n_heads), or of (n_atoms, 1) for all heads."""
        return local[:, 0] if local.shape[1] == 1 else local.gather(1, head[:, None])[:, 0]

    def e0_of(self, head: str) -> dict[str, float]:
        """The energies of free atoms of a head, eV, by chemical symbol."""
        return dict(zip(self.elements, self.e0[self._row(head)].tolist(), strict=True))

    def set_e0(self, e0: Mapping[str, float], head: str | None = None) -> None:
        """Set the energies of free atoms, eV, by chemical symbol; WiringError if one is missing or not finite."""
        missing = [symbol for symbol in self.elements if symbol not in e0]
        if missing:
            raise WiringError(f"E0 is missing for {', '.join(missing)}; this model knows {', '.join(self.elements)}")
        strange = {symbol: e0[symbol] for symbol in self.elements if not isfinite(e0[symbol])}
        if strange:
            raise WiringError(f"E0 of {', '.join(strange)} should be finite, in eV, but is {list(strange.values())}")
        rows = slice(None) if head is None else self._row(head)
        self.e0[rows] = torch.tensor(
            [e0[symbol] for symbol in self.elements], dtype=torch.float64, device=self.e0.device
        )

    def set_scale(self, scale: float, shift: float = 0.0, head: str | None = None) -> None:
        """Set scale (eV, positive) and shift (eV) of what the branches give; WiringError for other numbers."""
        if not (isfinite(scale) and scale > 0 and isfinite(shift)):
            raise WiringError(f"scale should be positive and shift finite, in eV, but they are {scale} and {shift}")
        if self.exact_isolated and shift != 0:
            raise WiringError(
                f"a shift of {shift:g} eV moves isolated atoms away from E0, which exact_isolated keeps; leave it at 0"
            )
        rows = slice(None) if head is None else self._row(head)
        self.scale[rows], self.shift[rows] = scale, shift

    def _row(self, head: str) -> int:
        if head not in self.heads:
            raise WiringError(f"unknown head {head!r}; this model has {', '.join(self.heads)}")
        return self.heads.index(head)
