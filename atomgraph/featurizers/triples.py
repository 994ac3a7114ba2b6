"""Triples of atoms: unordered pairs of edges with a common centre, in portions that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.old_names import OldAttribute, old_names_of


@dataclass(frozen=True)
class Triples:
    """Triples of consecutive central atoms, sorted by central atom.

    Attributes:
        first_edge: Row of the first edge of each triple, (n_triples,); smaller than the row of the second edge.
        second_edge: Row of the second edge of each triple, (n_triples,), with the same centre.
        first_atom: Row of the first central atom.
        n_atoms: Number of central atoms, including atoms without triples.
    """

    first_edge: Tensor
    second_edge: Tensor
    first_atom: int
    n_atoms: int

    one = OldAttribute("first_edge")
    other = OldAttribute("second_edge")


def iterate_triples(edges: Edges, portion_size: int = 2**20) -> Iterator[Triples]:
    """Iterate over all unordered pairs of edges with a common centre, in portions of consecutive atoms.

    Args:
        edges: Edges, sorted by centre.
        portion_size: Approximate number of triples per portion; all triples of an atom are in one portion.
    """
    edge_counts = torch.bincount(edges.centre, minlength=edges.n_atoms)
    atom_start = edge_counts.cumsum(0) - edge_counts
    portion = (edge_counts * (edge_counts - 1) // 2).cumsum(0) // portion_size  # (n_atoms,), in increasing order
    first_atom = 0
    for n_atoms in torch.unique_consecutive(portion, return_counts=True)[1].tolist():
        atoms = slice(first_atom, first_atom + n_atoms)
        yield Triples(*_pairs(atom_start[atoms], edge_counts[atoms]), first_atom, n_atoms)
        first_atom += n_atoms


def _pairs(atom_start: Tensor, edge_counts: Tensor) -> tuple[Tensor, Tensor]:
    """Pair each edge with all earlier edges of the same atom.

    Args:
        atom_start: Row of the first edge of each atom, (n_atoms,).
        edge_counts: Number of edges of each atom, (n_atoms,).

    Returns:
        Rows of the earlier and of the later edge of each pair, (n_triples,).
    """
    n_edges = int(edge_counts.sum())
    edge_start = torch.repeat_interleave(atom_start, edge_counts)  # (n_edges,) the first edge of each edge's atom
    edge = torch.arange(n_edges, device=edge_counts.device) + (atom_start[0] if len(atom_start) else 0)
    n_earlier = edge - edge_start
    second = torch.repeat_interleave(edge, n_earlier)
    pair_start = torch.repeat_interleave(n_earlier.cumsum(0) - n_earlier, n_earlier)
    first = (
        torch.repeat_interleave(edge_start, n_earlier)
        + torch.arange(len(second), device=edge_counts.device)
        - pair_start
    )
    return first, second


__getattr__ = old_names_of(__name__)
