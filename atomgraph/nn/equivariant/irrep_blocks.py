"""Features taken apart by irrep: channels last, so that a linear map is one matrix product."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from e3nn import o3
from torch import Tensor

Blocks = dict[o3.Irrep, Tensor]  # irrep -> (n_rows, 2l + 1, channels)


def to_blocks(h: Tensor, irreps: o3.Irreps) -> Blocks:
    """(n_rows, irreps.dim), each irrep with its channels outside and m inside, to (n_rows, 2l+1, channels) by irrep.

    An irrep that is listed twice becomes one block, its channels in the order of the list.
    """
    result: dict[o3.Irrep, list[Tensor]] = {}
    for (channels, irrep), columns in zip(irreps, irreps.slices(), strict=True):
        block = h[:, columns].reshape(len(h), channels, irrep.dim).transpose(1, 2)
        result.setdefault(irrep, []).append(block)
    return {irrep: parts[0] if len(parts) == 1 else torch.cat(parts, dim=2) for irrep, parts in result.items()}


def from_blocks(blocks: Mapping[o3.Irrep, Tensor], irreps: o3.Irreps) -> Tensor:
    """The inverse of ``to_blocks`` for irreps that list none twice: (n_rows, irreps.dim)."""
    return torch.cat([blocks[irrep].transpose(1, 2).flatten(1) for _, irrep in irreps], dim=1)


def channels_of(irreps: o3.Irreps) -> dict[o3.Irrep, int]:
    """How many channels each irrep has, in the order in which the irreps come first."""
    channels: dict[o3.Irrep, int] = {}
    for n, irrep in irreps:
        channels[irrep] = channels.get(irrep, 0) + n
    return channels
