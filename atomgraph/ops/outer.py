"""Sums of outer products over neighbours, for example of radial and angular functions, as small matrix products."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.ops.scatter import sum_to

_MAX_BLOCK_SIZE = 64  # largest number of rows of a block


def outer_sum_to(left: Tensor, right: Tensor, index: Tensor, size: int) -> Tensor:
    r"""Sum outer products of rows that have the same target: :math:`y_{tab} = \sum_{e:\, index_e = t} x_{ea}\, w_{eb}`.

    The rows of a target are copied into blocks of equal size, padded with zeros. Each block is one matrix product, so no
    array of size n_rows · n_left · n_right is written.

    Args:
        left: Factors x, (n_rows, n_left).
        right: Factors w, (n_rows, n_right).
        index: Target of each row, (n_rows,), int64 in [0, size), in any order.
        size: Number of targets.

    Returns:
        Sums y, (size, n_left, n_right); zeros for targets without rows.
    """
    counts = torch.bincount(index, minlength=size)
    n_used_targets = max(int((counts > 0).sum()), 1)
    block_size = min(max(len(index) // n_used_targets, 4), _MAX_BLOCK_SIZE)
    n_blocks = (counts + block_size - 1) // block_size  # (size,)
    slot = rank_in_target(index, counts) + block_size * (n_blocks.cumsum(0) - n_blocks)[index]
    block_target = torch.repeat_interleave(torch.arange(size, device=index.device), n_blocks)

    def copy_to_blocks(rows: Tensor) -> Tensor:
        padded = rows.new_zeros(len(block_target) * block_size, rows.shape[1]).index_copy(0, slot, rows)
        return padded.view(len(block_target), block_size, rows.shape[1])

    return sum_to(copy_to_blocks(left).transpose(1, 2) @ copy_to_blocks(right), block_target, size)


def rank_in_target(index: Tensor, counts: Tensor) -> Tensor:
    """Count, for each row, the earlier rows with the same target.

    Args:
        index: Target of each row, (n_rows,), int64.
        counts: Number of rows of each target, (n_targets,).

    Returns:
        Counts, (n_rows,), from 0.
    """
    position = torch.arange(len(index), device=index.device)
    start = counts.cumsum(0) - counts
    if bool((index[1:] >= index[:-1]).all()):
        return position - start[index]
    order = torch.argsort(index, stable=True)
    return torch.empty_like(index).index_copy(0, order, position - start[index[order]])
