"""Edges of one centre in padded blocks of equal size, so that sums over neighbours are matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.old_names import OldAttribute
from atomgraph.ops.scatter import sum_to

_BLOCK_SIZES = (4, 8, 12, 16, 24, 32, 48, 64)  # allowed numbers of rows of a block
_OVERHEAD = 3  # cost of a block in addition to its rows, in rows


@dataclass(frozen=True, eq=False)
class PaddedEdges:
    """Blocks of edges with a common centre: tensors (n_edges, ...) become (n_blocks, block_size, ...), padded with zeros.

    Attributes:
        slot: Row of each edge among the n_blocks · block_size rows of all blocks, (n_edges,).
        centre: Row of the central atom of each block, (n_blocks,).
        neighbour: Row of the neighbouring atom, (n_blocks, block_size); 0 where there is no edge.
        block_size: Number of rows of a block.
        n_atoms: Number of atoms.
    """

    slot: Tensor
    centre: Tensor
    neighbour: Tensor
    block_size: int
    n_atoms: int
    length = OldAttribute("block_size")

    @classmethod
    def of(cls, edges: Edges) -> PaddedEdges:
        """Return the blocks of these edges, computed once per forward pass."""
        return edges.cached("edge blocks", lambda: cls._make(edges))

    @classmethod
    def _make(cls, edges: Edges) -> PaddedEdges:
        counts = torch.bincount(edges.centre, minlength=edges.n_atoms)
        block_size = _best_block_size(counts)
        n_blocks = (counts + block_size - 1) // block_size  # (n_atoms,)
        first_edge, first_block = counts.cumsum(0) - counts, n_blocks.cumsum(0) - n_blocks
        position = torch.arange(edges.n_edges, device=counts.device)
        if bool((edges.centre[1:] < edges.centre[:-1]).any()):
            position = torch.empty_like(position).index_copy(0, torch.argsort(edges.centre, stable=True), position)
        position_in_centre = position - first_edge[edges.centre]  # among the edges of the same centre
        slot = position_in_centre + block_size * first_block[edges.centre]
        centre = torch.repeat_interleave(torch.arange(edges.n_atoms, device=counts.device), n_blocks)
        neighbour = centre.new_zeros(len(centre) * block_size).index_copy(0, slot, edges.neighbour)
        return cls(slot, centre, neighbour.view(-1, block_size), block_size, edges.n_atoms)

    def arrange(self, rows: Tensor) -> Tensor:
        """Return rows of edges in blocks: the same as ``pad``. ``EdgeLists.arrange`` returns them unchanged."""
        return self.pad(rows)

    def pad(self, rows: Tensor) -> Tensor:
        """Copy rows of edges, (n_edges, ...), into blocks, (n_blocks, block_size, ...)."""
        padded = rows.new_zeros(len(self.centre) * self.block_size, *rows.shape[1:]).index_copy(0, self.slot, rows)
        return padded.view(len(self.centre), self.block_size, *rows.shape[1:])

    def gather_neighbours(self, rows: Tensor) -> Tensor:
        """Copy rows of atoms, (n_atoms, ...), to the edges on which the atoms are neighbours, (n_blocks, block_size, ...)."""
        gathered = rows.index_select(0, self.neighbour.flatten())
        return gathered.view(*self.neighbour.shape, *rows.shape[1:])

    def sum(self, blocks: Tensor) -> Tensor:
        """Sum blocks, (n_blocks, ...), over the blocks of each atom, (n_atoms, ...)."""
        return sum_to(blocks, self.centre, self.n_atoms)

    owner = OldAttribute("centre")
    lay = OldAttribute("pad")
    of_neighbours = OldAttribute("gather_neighbours")


def _best_block_size(counts: Tensor) -> int:
    """Block size with the smallest cost, which is the number of rows of all blocks plus an overhead per block."""
    sizes = torch.tensor(_BLOCK_SIZES, device=counts.device)
    n_blocks = ((counts[:, None] + sizes - 1) // sizes).sum(dim=0)
    return _BLOCK_SIZES[int((n_blocks * (sizes + _OVERHEAD)).argmin())]
