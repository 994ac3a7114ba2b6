"""Baseline: energies E0 of isolated atoms, scale, shift, and a short-range repulsion."""

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
from atomgraph.old_names import OldAttribute


class Baseline(Float64Buffers, Part):
    r"""Energies of atoms from local energies, :math:`E_i = E0_{head, z_i} + s_{head}\,\varepsilon_i + t_{head} + V^{rep}_i`.

    The initial values of E0, scale s and shift t are 0, 1 and 0. They are set from data (``set_e0``, ``set_scale``) and not
    trained. They stay float64 for models of any dtype, because float32 has too few digits for an E0 of thousands of eV.

    Args:
        elements: Chemical symbols, in the order of the model.
        heads: Names of the heads.
        repulsion: A part ``(graph, edges) -> (n_atoms,)``, eV, such as ``atomgraph.nn.ZBL``, or None.
        scales_repulsion: Whether the scale also multiplies the repulsion, :math:`s (\varepsilon_i + V_i)`, as in MACE's files.
        exact_isolated: Whether an atom without neighbours has exactly E0. The model then subtracts the output of its branches
            for an isolated atom (``models.isolated``), and the shift is 0.

    Raises:
        WiringError: If the heads are not distinct names.
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
        """Cutoff radius of the repulsion, Å; 0 without repulsion."""
        return 0.0 if self.repulsion is None else float(self.repulsion.cutoff)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """E0 for other elements."""
        return {"e0": self.e0[:, edit.rows]}

    def forward(self, local: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Compute energies of atoms.

        Args:
            local: Local energies, (n_atoms, 1) for all heads, or (n_atoms, n_heads); eV before scale and shift.
            graph: One structure, or a batch. Each structure has a head.
            edges: Edges of the graph.

        Returns:
            Energies, (n_atoms,), eV, float64.
        """
        head = graph.head[graph.graph_of_atom]
        repulsion = None if self.repulsion is None else self.repulsion(graph, edges.within(self.cutoff))
        return self.total(self.select_head(local, head), repulsion, head, edges.element)

    def total(self, epsilon: Tensor, repulsion: Tensor | None, head: Tensor, element: Tensor) -> Tensor:
        """Compute the sum of E0, scaled local energies, shift and repulsion.

        Args:
            epsilon: Local energies ε, (n_atoms,), eV before scale and shift.
            repulsion: Repulsion energies, (n_atoms,), eV, or None.
            head: Index of the head of each atom, (n_atoms,).
            element: Row of the element of each atom, (n_atoms,).

        Returns:
            Energies, (n_atoms,), eV, float64.
        """
        epsilon, constant = epsilon.to(self.e0.dtype), self.e0[head, element] + self.shift[head]
        if repulsion is None:
            return constant + self.scale[head] * epsilon
        repulsion = repulsion.to(self.e0.dtype)
        if self.scales_repulsion:
            return constant + self.scale[head] * (epsilon + repulsion)
        return constant + self.scale[head] * epsilon + repulsion

    @staticmethod
    def select_head(local: Tensor, head: Tensor) -> Tensor:
        """Return the local energy for the head of each atom, (n_atoms,).

        Args:
            local: Local energies, (n_atoms, n_heads), or (n_atoms, 1) for all heads.
            head: Index of the head of each atom, (n_atoms,).
        """
        return local[:, 0] if local.shape[1] == 1 else local.gather(1, head[:, None])[:, 0]

    of_head = OldAttribute("select_head")

    def e0_of(self, head: str) -> dict[str, float]:
        """Return E0 of a head by chemical symbol, eV."""
        return dict(zip(self.elements, self.e0[self._row(head)].tolist(), strict=True))

    def set_e0(self, e0: Mapping[str, float], head: str | None = None) -> None:
        """Set E0.

        Args:
            e0: Energies of isolated atoms by chemical symbol, eV.
            head: Name of the head; None: all heads.

        Raises:
            WiringError: If an energy is missing or not finite.
        """
        missing = [symbol for symbol in self.elements if symbol not in e0]
        if missing:
            raise WiringError(
                f"E0 is missing for {', '.join(missing)}; the elements of this model are {', '.join(self.elements)}"
            )
        infinite = {symbol: e0[symbol] for symbol in self.elements if not isfinite(e0[symbol])}
        if infinite:
            raise WiringError(f"E0 of {', '.join(infinite)} should be finite, in eV, but is {list(infinite.values())}")
        rows = slice(None) if head is None else self._row(head)
        self.e0[rows] = torch.tensor(
            [e0[symbol] for symbol in self.elements], dtype=torch.float64, device=self.e0.device
        )

    def set_scale(self, scale: float, shift: float = 0.0, head: str | None = None) -> None:
        """Set scale and shift of local energies.

        Args:
            scale: Scale s, positive, no unit; local energies ε are in eV.
            shift: Shift t, eV.
            head: Name of the head; None: all heads.

        Raises:
            WiringError: If the scale is not positive, a number is not finite, or a shift contradicts ``exact_isolated``.
        """
        if not (isfinite(scale) and scale > 0 and isfinite(shift)):
            raise WiringError(
                f"scale should be positive, and shift a finite energy in eV, but they are {scale} and {shift}"
            )
        if self.exact_isolated and shift != 0:
            raise WiringError(
                f"exact_isolated needs a shift of 0, so that isolated atoms have E0, but the shift is {shift:g} eV"
            )
        rows = slice(None) if head is None else self._row(head)
        self.scale[rows], self.shift[rows] = scale, shift

    def _row(self, head: str) -> int:
        if head not in self.heads:
            raise WiringError(f"unknown head {head!r}; this model has {', '.join(self.heads)}")
        return self.heads.index(head)
