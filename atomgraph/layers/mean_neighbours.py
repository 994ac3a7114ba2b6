"""Mean number of neighbours in the training data, by which layers scale their sums over neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part
from atomgraph.old_names import OldAttribute


class MeanNeighbours(Float64Buffers, Part):
    r"""Mean number of neighbours :math:`\bar n` in the training data, over atoms with at least one neighbour.

    The number is 1 before calibration, and float64 for models of any dtype.

    Args:
        elements: Chemical symbols, for one number per element of the atom that has the neighbours; None: one number.
    """

    number: Tensor
    _always_double = ("number",)

    def __init__(self, elements: Sequence[str] | None = None) -> None:
        super().__init__()
        shape = () if elements is None else (len(checked_symbols(elements)),)
        self.register_buffer("number", torch.ones(shape, dtype=torch.float64))
        self._counts: tuple[Tensor, Tensor] | None = None  # edges and atoms with neighbours, in the shape of number

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Numbers of the elements after the edit."""
        return {"number": self.number[edit.rows]} if self.number.ndim else {}

    def forward(self) -> Tensor:
        r"""Return :math:`\bar n`, a tensor of shape (), or (n_elements,) for one number per element."""
        return self.number

    def divide_by_root(self, x: Tensor, element: Tensor, factor: float = 1.0) -> Tensor:
        r"""Return :math:`x_i / \sqrt{c\, \bar n}`, in the dtype of x.

        Args:
            x: Values of atoms, (n_atoms, ...).
            element: Row of each atom's element, (n_atoms,).
            factor: Factor c, no unit.
        """
        scale = (factor * self()).rsqrt().to(x.dtype)
        return x * (scale[element].view(-1, *[1] * (x.ndim - 1)) if scale.ndim else scale)

    def update_statistics(self, edges: Edges) -> None:
        """Count edges, and atoms with neighbours, in a batch of the training data."""
        neighbours = torch.bincount(edges.centre, minlength=edges.n_atoms).double()
        counts = torch.stack([neighbours, (neighbours > 0).double()])  # (2, n_atoms)
        if self.number.ndim:
            sums = counts.new_zeros(2, len(self.number)).index_add(1, edges.element, counts)
        else:
            sums = counts.sum(dim=1)
        n_edges, n_atoms = sums.to(self.number.device)
        if self._counts is not None:
            n_edges, n_atoms = self._counts[0] + n_edges, self._counts[1] + n_atoms
        self._counts = n_edges, n_atoms

    def finalize(self) -> None:
        """Set the numbers from all batches; an element without neighbours keeps its number."""
        if self._counts is not None:
            n_edges, n_atoms = self._counts
            self.number.copy_(torch.where(n_atoms > 0, n_edges / n_atoms.clamp(min=1.0), self.number))
        self._counts = None

    observe = OldAttribute("update_statistics")
    settle = OldAttribute("finalize")


class DividesByNeighbours:
    """Mixin for layers that divide by the mean number of ``neighbours``: its calibration (``nn.protocols.Calibrated``)."""

    neighbours: MeanNeighbours

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Count the neighbours in a batch of the training data."""
        self.neighbours.update_statistics(edges)

    def finalize(self) -> None:
        """Set the mean number of neighbours."""
        self.neighbours.finalize()
