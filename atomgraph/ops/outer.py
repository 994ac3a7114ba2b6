"""Sums of outer products as small matrix products, such as those of radial and angular functions of neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.ops.scatter import sum_to

_LARGEST_BLOCK = 64


def outer_sum_to(left: Tensor, right: Tensor, index: Tensor, size: int) -> Tensor:
    r"""Sum outer products of rows that share a target: :math:`y_{tab} = \sum_{e:\, index_e = t} x_{ea}\, w_{eb}`.

    Args:
        left: (n_rows, a).
        right: (n_rows, b).
        index: (n_rows,) int64 in [0, size), in any order.

    Returns:
        (size, a, b), zeros where no row points. Nothing of size (n_rows, a, b) is ever written: the rows of a target
        are laid in blocks of equal length, filled up with zeros, and each block is one matrix product.
    """
    counts = torch.bincount(index, minlength=size)
    n_targets = max(int((counts > 0).sum()), 1)
    block = min(max(len(index) // n_targets, 4), _LARGEST_BLOCK)
    n_blocks = (counts + block - 1) // block  # (size,)
    slot = rank_in_target(index, counts) + block * (n_blocks.cumsum(0) - n_blocks)[index]
    owner = torch.repeat_interleave(torch.arange(size, device=index.device), n_blocks)

    def in_blocks(rows: Tensor) -> Tensor:
        padded = rows.new_zeros(len(owner) * block, rows.shape[1]).index_copy(0, slot, rows)
        return padded.view(len(owner), block, rows.shape[1])

    return sum_to(in_blocks(left).transpose(1, 2) @ in_blocks(right), owner, size)


def rank_in_target(index: Tensor, counts: Tensor) -> Tensor:
    """(n_rows,): number of earlier rows with the same target, for each row."""
    position = torch.arange(len(index), device=index.device)
    start = counts.cumsum(0) - counts
    if bool((index[1:] >= index[:-1]).all()):
        return position - start[index]
    order = torch.argsort(index, stable=True)
    return torch.empty_like(index).index_copy(0, order, position - start[index[order]])
