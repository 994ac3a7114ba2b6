"""Edges of a graph as all parts of a model read them, computed once per forward pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from atomgraph.graph.geometry import edge_vectors
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.elements import ElementTable

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Edges:
    r"""Edges of a graph or of a batch of graphs, in the dtype of the model.

    Functions of the edges that several parts use are computed once, with ``edges.cached(key, make)``.

    Attributes:
        vector: Vectors from neighbour to centre, (n_edges, 3), Å.
        length: Distances, (n_edges,), Å.
        centre: Row of the central atom, (n_edges,); edges are sorted by this row.
        neighbour: Row of the neighbouring atom, (n_edges,).
        element: Row of each atom's element in the model's table of elements, (n_atoms,).
        n_atoms: Number of atoms.
        n_elements: Number of elements of the model.
        origin: ``vector`` before its conversion to the dtype of the model, that is, in the dtype of the graph, (n_edges, 3),
            Å; None for edges from ``with_vectors``.
    """

    vector: Tensor
    length: Tensor
    centre: Tensor
    neighbour: Tensor
    element: Tensor
    n_atoms: int
    n_elements: int
    origin: Tensor | None = None
    _cache: dict[Hashable, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: AtomicGraph, elements: ElementTable, dtype: torch.dtype) -> Edges:
        """Make the edges of a graph.

        Args:
            graph: Graph, or batch of graphs.
            elements: Elements of the model.
            dtype: Dtype of the model.

        Raises:
            GraphError: If the graph has an element that the table does not contain.
        """
        origin = edge_vectors(graph)
        vector = origin.to(dtype)
        neighbour, centre = graph.edge_index
        return cls(
            vector=vector,
            length=torch.linalg.vector_norm(vector, dim=1),
            centre=centre,
            neighbour=neighbour,
            element=elements(graph.atomic_numbers),
            n_atoms=graph.n_atoms,
            n_elements=len(elements),
            origin=origin,
        )

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return int(self.length.shape[0])

    @property
    def element_of_centre(self) -> Tensor:
        """Element rows of the central atoms, (n_edges,)."""
        return self.element[self.centre]

    @property
    def element_of_neighbour(self) -> Tensor:
        """Element rows of the neighbouring atoms, (n_edges,)."""
        return self.element[self.neighbour]

    def within(self, cutoff: float) -> Edges:
        """Return the edges shorter than the cutoff (Å); if all are shorter, the same object."""
        inside = self.length < cutoff
        if bool(inside.all()):
            return self
        return self.select(torch.nonzero(inside)[:, 0])

    def select(self, rows: Tensor) -> Edges:
        """Return some edges, by their rows, (n,)."""
        return Edges(
            vector=self.vector.index_select(0, rows),
            length=self.length.index_select(0, rows),
            centre=self.centre.index_select(0, rows),
            neighbour=self.neighbour.index_select(0, rows),
            element=self.element,
            n_atoms=self.n_atoms,
            n_elements=self.n_elements,
            origin=None if self.origin is None else self.origin.index_select(0, rows),
        )

    @property
    def exact(self) -> Edges:
        """The same edges in the dtype of the graph, float64; the edges themselves if ``origin`` is None.

        For functions with large derivatives, which multiply the rounding errors of float32. Such a function should be cheap,
        because float64 is slow on many GPUs.
        """
        if self.origin is None or self.origin.dtype == self.vector.dtype:
            return self
        return self.cached("exact", self._in_graph_dtype)

    def _in_graph_dtype(self) -> Edges:
        vector = self.vector if self.origin is None else self.origin
        return self.with_vectors(vector)

    def with_vectors(self, vector: Tensor) -> Edges:
        """Return a copy with other vectors, (n_edges, 3), Å, and their lengths, for derivatives with respect to vectors."""
        length = torch.linalg.vector_norm(vector, dim=1)
        return replace(self, vector=vector, length=length, origin=None, _cache={})

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of ``make()``, computed at the first call with this key in a forward pass.

        Args:
            key: Key that contains the name of the function and its parameters.
            make: Function without arguments that computes the value, usually tensors.
        """
        if key not in self._cache:
            self._cache[key] = make()
        value: T = self._cache[key]
        return value
