"""The three sisters: what a featurizer, a message layer and a readout promise.

Each declares ``irreps_in`` and ``irreps_out`` (scalars are ``nx0e``), and a model checks the joints when it is built.
A part that has a ``cutoff`` or ``elements`` keeps them as attributes under these names; the model checks them, too.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.part import Part


class Featurizer(Part):
    """Describes each atom: ``(graph, edges) -> h``, h of shape (n_atoms, irreps_out.dim)."""

    irreps_out: o3.Irreps

    @abstractmethod
    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor: ...


class MessageLayer(Part):
    """Passes messages: ``(h, graph, edges) -> h``, from (n_atoms, irreps_in.dim) to (n_atoms, irreps_out.dim)."""

    irreps_in: o3.Irreps
    irreps_out: o3.Irreps

    @abstractmethod
    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor: ...


class Readout(Part):
    """Gives numbers per atom: ``(h, graph, edges) -> (n_atoms, n_outputs)``; one column a head (or a property)."""

    irreps_in: o3.Irreps
    n_outputs: int

    @abstractmethod
    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor: ...


@runtime_checkable
class Calibrated(Protocol):
    """A part whose constants come from the training data once, before training (means, widths, neighbour counts).

    It is shown the features that reach it, batch after batch, then told that this was all.
    """

    def observe(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None: ...

    def settle(self) -> None: ...
