"""Edges of each atom, as centre and as neighbour, for kernels that loop over atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges


class EdgeList(NamedTuple):
    """Edges of each atom.

    Attributes:
        begin: First entry of each atom in ``edge``, (n_atoms + 1,).
        edge: Rows of the edges, sorted by atom, (n_edges,).
        other_atom: The other atom of each edge, by row of the edge, (n_edges,).
    """

    begin: Tensor
    edge: Tensor
    other_atom: Tensor


@dataclass(frozen=True, eq=False)
class EdgeLists:
    """Edges sorted by centre and by neighbour. Arrays of edges keep the order of the graph, without padding.

    Attributes:
        by_centre: Edges of each central atom.
        by_neighbour: Edges of each neighbouring atom.
        n_atoms: Number of atoms.
    """

    by_centre: EdgeList
    by_neighbour: EdgeList
    n_atoms: int

    @classmethod
    def of(cls, edges: Edges) -> EdgeLists:
        """Return the lists of these edges, computed once per forward pass."""
        return edges.cached("edge lists", lambda: cls._make(edges))

    @classmethod
    def _make(cls, edges: Edges) -> EdgeLists:
        centre, neighbour = edges.centre.contiguous(), edges.neighbour.contiguous()
        return cls(
            EdgeList(*_sort(centre, edges.n_atoms), neighbour),
            EdgeList(*_sort(neighbour, edges.n_atoms), centre),
            edges.n_atoms,
        )

    def arrange(self, rows: Tensor) -> Tensor:
        """Return rows of edges, (n_edges, ...), unchanged; ``PaddedEdges.arrange`` copies them into blocks."""
        return rows


def _sort(atom: Tensor, n_atoms: int) -> tuple[Tensor, Tensor]:
    """Return the first entry of each atom, (n_atoms + 1,), and the rows of the edges sorted by atom, (n_edges,)."""
    begin = atom.new_zeros(n_atoms + 1)
    torch.cumsum(torch.bincount(atom, minlength=n_atoms), 0, out=begin[1:])
    return begin, torch.argsort(atom, stable=True)
