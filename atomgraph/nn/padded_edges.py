"""Edges laid in blocks of equal length that share a centre, so that sums over neighbours are matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.ops.scatter import sum_to

_LENGTHS = (4, 8, 12, 16, 24, 32, 48, 64)
_OVERHEAD = 3  # what a block costs by itself, in rows


@dataclass(frozen=True, eq=False)
class PaddedEdges:
    """Rows of edges, (n_edges, ...), in blocks, (n_blocks, length, ...), filled up with zeros.

    Attributes:
        slot: (n_edges,) place of each edge among n_blocks · length.
        owner: (n_blocks,) the centre of each block.
        neighbour: (n_blocks, length) atom rows, 0 where there is no edge.
    """

    slot: Tensor
    owner: Tensor
    neighbour: Tensor
    length: int
    n_atoms: int

    @classmethod
    def of(cls, edges: Edges) -> PaddedEdges:
        """The blocks of a graph's edges, made once for a forward pass."""
        return edges.cached("edge blocks", lambda: cls._make(edges))

    @classmethod
    def _make(cls, edges: Edges) -> PaddedEdges:
        counts = torch.bincount(edges.centre, minlength=edges.n_atoms)
        length = _best_length(counts)
        blocks_of = (counts + length - 1) // length  # (n_atoms,)
        first_edge, first_block = counts.cumsum(0) - counts, blocks_of.cumsum(0) - blocks_of
        place = torch.arange(edges.n_edges, device=counts.device)
        if bool((edges.centre[1:] < edges.centre[:-1]).any()):
            place = torch.empty_like(place).index_copy(0, torch.argsort(edges.centre, stable=True), place)
        rank = place - first_edge[edges.centre]  # among those of its centre
        slot = rank + length * first_block[edges.centre]
        owner = torch.repeat_interleave(torch.arange(edges.n_atoms, device=counts.device), blocks_of)
        neighbour = owner.new_zeros(len(owner) * length).index_copy(0, slot, edges.neighbour)
        return cls(slot, owner, neighbour.view(-1, length), length, edges.n_atoms)

    def lay(self, rows: Tensor) -> Tensor:
        """(n_edges, ...) to (n_blocks, length, ...)."""
        laid = rows.new_zeros(len(self.owner) * self.length, *rows.shape[1:]).index_copy(0, self.slot, rows)
        return laid.view(len(self.owner), self.length, *rows.shape[1:])

    def of_neighbours(self, atoms: Tensor) -> Tensor:
        """(n_atoms, ...) to each edge's neighbour's row, (n_blocks, length, ...)."""
        rows = atoms.index_select(0, self.neighbour.flatten())
        return rows.view(*self.neighbour.shape, *atoms.shape[1:])

    def sum(self, blocks: Tensor) -> Tensor:
        """(n_blocks, ...) to sums over the blocks of an atom, (n_atoms, ...)."""
        return sum_to(blocks, self.owner, self.n_atoms)


def _best_length(counts: Tensor) -> int:
    """The length of blocks with the fewest rows in all, each block counted as a few rows more."""
    lengths = torch.tensor(_LENGTHS, device=counts.device)
    n_blocks = ((counts[:, None] + lengths - 1) // lengths).sum(dim=0)
    return _LENGTHS[int((n_blocks * (lengths + _OVERHEAD)).argmin())]
