"""Edges: what every part reads of a graph's edges, made once for a forward pass."""

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
    r"""The edges of a graph (or of a batch), in the dtype of the model that reads them.

    Bases that two parts ask for are made once: ``edges.cached(key, make)``, the key naming function and parameters.

    Attributes:
        vector: (n_edges, 3) in Å, from neighbour to centre.
        length: (n_edges,) in Å.
        centre, neighbour: (n_edges,) atom rows; edges are sorted by centre.
        element: (n_atoms,) row of each atom's element in the model's table.
        n_atoms, n_elements: Their numbers.
        origin: The vectors in the graph's own dtype, before they were brought to the model's.
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
        """The edges of a graph; GraphError names elements that the table lacks."""
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
        return int(self.length.shape[0])

    @property
    def element_of_centre(self) -> Tensor:
        """(n_edges,) element rows of the centres."""
        return self.element[self.centre]

    @property
    def element_of_neighbour(self) -> Tensor:
        """(n_edges,) element rows of the neighbours."""
        return self.element[self.neighbour]

    def within(self, cutoff: float) -> Edges:
        """Only the edges shorter than the cutoff (Å); these same edges where all of them are."""
        inside = self.length < cutoff
        if bool(inside.all()):
            return self
        rows = torch.nonzero(inside)[:, 0]
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
        """The same edges in the graph's own dtype, float64: for what is cheap and steep, such as radial functions."""
        if self.origin is None or self.origin.dtype == self.vector.dtype:
            return self
        return self.cached("exact", self._exactly)

    def _exactly(self) -> Edges:
        vector = self.vector if self.origin is None else self.origin
        return self.with_vectors(vector)

    def with_vectors(self, vector: Tensor) -> Edges:
        """The same edges with other vectors (n_edges, 3), and their lengths: to differentiate by them."""
        length = torch.linalg.vector_norm(vector, dim=1)
        return replace(self, vector=vector, length=length, origin=None, _cache={})

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives (tensors, most often), made at the first call with this key and kept for this forward pass."""
        if key not in self._cache:
            self._cache[key] = make()
        built: T = self._cache[key]
        return built
