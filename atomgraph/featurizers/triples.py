"""Triples: unordered pairs of edges that share a centre, each once, in portions that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges


@dataclass(frozen=True)
class Triples:
    """Pairs of edges around the atoms ``first_atom`` … ``first_atom + n_atoms − 1``, sorted by centre.

    Attributes:
        first, second: (n_triples,) rows of edges with ``first < second`` and the same centre.
    """

    first: Tensor
    second: Tensor
    first_atom: int
    n_atoms: int


def triples(edges: Edges, at_once: int = 2**20) -> Iterator[Triples]:
    """All unordered pairs of edges that share a centre: portions of consecutive atoms, together all atoms.

    Args:
        at_once: About how many triples one portion holds (an atom's own stay together).
    """
    degree = torch.bincount(edges.centre, minlength=edges.n_atoms)
    first_edge = degree.cumsum(0) - degree
    portion = (degree * (degree - 1) // 2).cumsum(0) // at_once  # (n_atoms,), never falling
    first_atom = 0
    for n_atoms in torch.unique_consecutive(portion, return_counts=True)[1].tolist():
        atoms = slice(first_atom, first_atom + n_atoms)
        yield Triples(*_pairs(first_edge[atoms], degree[atoms]), first_atom, n_atoms)
        first_atom += n_atoms


def _pairs(first_edge: Tensor, degree: Tensor) -> tuple[Tensor, Tensor]:
    """Each edge with all earlier edges of its atom, for edges stored atom after atom."""
    n_edges = int(degree.sum())
    start = torch.repeat_interleave(first_edge, degree)  # (n_edges,) the first edge of each edge's atom
    edge = torch.arange(n_edges, device=degree.device) + (first_edge[0] if len(first_edge) else 0)
    earlier = edge - start
    second = torch.repeat_interleave(edge, earlier)
    before = torch.repeat_interleave(earlier.cumsum(0) - earlier, earlier)
    first = torch.repeat_interleave(start, earlier) + torch.arange(len(second), device=degree.device) - before
    return first, second
