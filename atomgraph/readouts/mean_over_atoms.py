"""Mean over the atoms of a structure, for properties that do not grow with the number of atoms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.protocols import Readout


class MeanOverAtoms(Float64Buffers, Readout):
    r"""Readout divided by the number n of atoms of the structure, :math:`\varepsilon_i = (\mathcal R(h_i) + a_{z_i}) / n`.

    The sum of a structure is therefore a mean. Energies of two copies of a structure are then not twice the energy of one copy,
    so this readout is not for energies of molecular dynamics. The constants a are in the state dict as ``shift``, float64,
    initially 0, and not trained.

    Args:
        elements: Chemical symbols.
        readout: The inner readout :math:`\mathcal R`.

    Raises:
        WiringError: If the inner part is not a readout.

    Source: the program schnetpack 2, ``Atomwise(aggregation_mode="avg")``.
    """

    shift: Tensor
    _always_double = ("shift",)

    def __init__(self, elements: Sequence[str], readout: Readout):
        super().__init__()
        if not isinstance(readout, Readout):
            raise WiringError(f"a MeanOverAtoms needs a Readout, but got a {type(readout).__name__}")
        self.elements, self.readout = checked_symbols(elements), readout
        self.irreps_in, self.n_outputs = as_irreps(readout.irreps_in), readout.n_outputs
        self.register_buffer("shift", torch.zeros(len(self.elements), dtype=torch.float64))

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Constants of the elements after the edit."""
        return {"shift": self.shift[edit.rows]}

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return the weights of some heads of the inner readout."""
        return {f"readout.{name}": weight for name, weight in self.readout.head_weights(rows).items()}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, float64, of features h, (n_atoms, irreps_in.dim)."""
        n_atoms = torch.bincount(graph.graph_of_atom, minlength=graph.n_graphs)[graph.graph_of_atom]
        return (self.readout(h, graph, edges) + self.shift[edges.element][:, None]) / n_atoms[:, None]
