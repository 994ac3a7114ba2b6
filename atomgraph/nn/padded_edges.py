"""Edges of one centre in padded blocks of equal length, so that sums over neighbours are matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.old_names import OldAttribute
from atomgraph.ops.scatter import sum_to

_LENGTHS = (4, 8, 12, 16, 24, 32, 48, 64)  # allowed lengths of blocks, rows
_OVERHEAD = 3  # cost of a block in addition to its rows, in rows


@dataclass(frozen=True, eq=False)
class PaddedEdges:
    """Blocks of edges with a common centre: tensors (n_edges, ...) become (n_blocks, length, ...), padded with zeros.

    Attributes:
        slot: Position of each edge among the n_blocks · length rows of all blocks, (n_edges,).
        centre: Row of the central atom of each block, (n_blocks,).
        neighbour: Row of the neighbouring atom, (n_blocks, length); 0 where there is no edge.
        length: Number of rows of a block.
        n_atoms: Number of atoms.
    """

    slot: Tensor
    centre: Tensor
    neighbour: Tensor
    length: int
    n_atoms: int

    @classmethod
    def of(cls, edges: Edges) -> PaddedEdges:
        """Return the blocks of these edges, computed once per forward pass."""
        return edges.cached("edge blocks", lambda: cls._make(edges))

    @classmethod
    def _make(cls, edges: Edges) -> PaddedEdges:
        counts = torch.bincount(edges.centre, minlength=edges.n_atoms)
        length = _best_length(counts)
        n_blocks = (counts + length - 1) // length  # (n_atoms,)
        first_edge, first_block = counts.cumsum(0) - counts, n_blocks.cumsum(0) - n_blocks
        position = torch.arange(edges.n_edges, device=counts.device)
        if bool((edges.centre[1:] < edges.centre[:-1]).any()):
            position = torch.empty_like(position).index_copy(0, torch.argsort(edges.centre, stable=True), position)
        rank = position - first_edge[edges.centre]  # among the edges of the same centre
        slot = rank + length * first_block[edges.centre]
        centre = torch.repeat_interleave(torch.arange(edges.n_atoms, device=counts.device), n_blocks)
        neighbour = centre.new_zeros(len(centre) * length).index_copy(0, slot, edges.neighbour)
        return cls(slot, centre, neighbour.view(-1, length), length, edges.n_atoms)

    def pad(self, rows: Tensor) -> Tensor:
        """Copy rows of edges, (n_edges, ...), into blocks, (n_blocks, length, ...)."""
        padded = rows.new_zeros(len(self.centre) * self.length, *rows.shape[1:]).index_copy(0, self.slot, rows)
        return padded.view(len(self.centre), self.length, *rows.shape[1:])

    def gather_neighbours(self, rows: Tensor) -> Tensor:
        """Copy rows of atoms, (n_atoms, ...), to the edges on which the atoms are neighbours, (n_blocks, length, ...)."""
        gathered = rows.index_select(0, self.neighbour.flatten())
        return gathered.view(*self.neighbour.shape, *rows.shape[1:])

    def sum(self, blocks: Tensor) -> Tensor:
        """Sum blocks, (n_blocks, ...), over the blocks of each atom, (n_atoms, ...)."""
        return sum_to(blocks, self.centre, self.n_atoms)

    owner = OldAttribute("centre")
    lay = OldAttribute("pad")
    of_neighbours = OldAttribute("gather_neighbours")


def _best_length(counts: Tensor) -> int:
    """Length of blocks with the smallest cost: the number of all rows, and an overhead per block."""
    lengths = torch.tensor(_LENGTHS, device=counts.device)
    n_blocks = ((counts[:, None] + lengths - 1) // lengths).sum(dim=0)
    return _LENGTHS[int((n_blocks * (lengths + _OVERHEAD)).argmin())]
