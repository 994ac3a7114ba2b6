"""Features split by irrep, with channels as the last axis, so that a linear map is one matrix product."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.old_names import old_names_of

Blocks = dict[o3.Irrep, Tensor]  # irrep -> (n_rows, 2l + 1, channels)


def to_blocks(h: Tensor, irreps: o3.Irreps) -> Blocks:
    """Split features by irrep.

    Args:
        h: Features, (n_rows, irreps.dim); within an irrep, m changes fastest, then the channel.
        irreps: Irreps of h. The channels of an irrep that is listed twice are joined in the order of the list.

    Returns:
        Blocks (n_rows, 2l+1, channels) by irrep.
    """
    result: dict[o3.Irrep, list[Tensor]] = {}
    for (channels, irrep), columns in zip(irreps, irreps.slices(), strict=True):
        block = h[:, columns].reshape(len(h), channels, irrep.dim).transpose(1, 2)
        result.setdefault(irrep, []).append(block)
    return {irrep: parts[0] if len(parts) == 1 else torch.cat(parts, dim=2) for irrep, parts in result.items()}


def from_blocks(blocks: Mapping[o3.Irrep, Tensor], irreps: o3.Irreps) -> Tensor:
    """Join blocks to features, (n_rows, irreps.dim): the inverse of ``to_blocks`` if no irrep is listed twice."""
    return torch.cat([blocks[irrep].transpose(1, 2).flatten(1) for _, irrep in irreps], dim=1)


def channels_per_irrep(irreps: o3.Irreps) -> dict[o3.Irrep, int]:
    """Count the channels of each irrep, in the order of the first appearance of the irreps."""
    channels: dict[o3.Irrep, int] = {}
    for n, irrep in irreps:
        channels[irrep] = channels.get(irrep, 0) + n
    return channels


__getattr__ = old_names_of(__name__)
