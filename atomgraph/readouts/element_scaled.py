"""Scale per element on the output of another readout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


class ElementScaled(Float64Buffers, Readout):
    r"""Readout with a scale per element, :math:`\varepsilon_i = s_{z_i}\, \mathcal R(h_i)`.

    The scales are in the state dict as ``scale``, float64, initially 1. They are not trained unless ``trainable``.

    Args:
        elements: Chemical symbols.
        readout: The inner readout :math:`\mathcal R`.
        trainable: Train the scales.

    Raises:
        WiringError: If the inner part is not a readout.

    Source: Batzner et al., Nat. Commun. 13, 2453 (2022); the program nequip 0.19, ``per_type_energy_scales``.
    """

    scale: Tensor

    def __init__(self, elements: Sequence[str], readout: Readout, trainable: bool = False):
        super().__init__()
        if not isinstance(readout, Readout):
            raise WiringError(f"an ElementScaled needs a Readout, but got a {type(readout).__name__}")
        self.elements = checked_symbols(elements)
        self.readout: Readout = readout
        self.irreps_in, self.n_outputs = as_irreps(readout.irreps_in), readout.n_outputs
        if trainable:
            self.scale = torch.nn.Parameter(torch.ones(len(self.elements)))
        else:
            self.register_buffer("scale", torch.ones(len(self.elements), dtype=torch.float64))
            self._always_double = ("scale",)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Scales of the elements after the edit."""
        return {"scale": self.scale[edit.rows]}

    def head_weights(self, rows: list[int]) -> dict[str, Any]:
        """Return the weights of some heads of the inner readout."""
        return {f"readout.{name}": weight for name, weight in self.readout.head_weights(rows).items()}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, float64 for fixed scales, of features h, (n_atoms, irreps_in.dim)."""
        return self.scale[edges.element][:, None] * self.readout(h, graph, edges)
