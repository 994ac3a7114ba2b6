"""Memory layout of features for the kernels: blocks of all irreps in one flat array."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.nn.equivariant.irrep_blocks import Blocks


class Layout:
    """Consecutive blocks (n_atoms, 2l+1, channels) in a flat array (n_atoms · width,), one block for each irrep.

    The block of an irrep starts at index n_atoms · ``offsets[irrep]`` of the flat array.

    Args:
        channels: Number of channels of each irrep, in the order of the blocks.

    Attributes:
        offsets: For each irrep, the number of values per atom in all earlier blocks.
        width: Number of values per atom in all blocks.
    """

    def __init__(self, channels: Mapping[o3.Irrep, int]):
        self.channels = dict(channels)
        widths = [irrep.dim * n for irrep, n in self.channels.items()]
        self.offsets = dict(zip(self.channels, accumulate(widths, initial=0), strict=False))
        self.width = sum(widths)

    def empty(self, n_atoms: int, dtype: torch.dtype) -> Tensor:
        """Return uninitialised features, (n_atoms · width,)."""
        return torch.empty(n_atoms * self.width, dtype=dtype)

    def zeros(self, n_atoms: int, dtype: torch.dtype) -> Tensor:
        """Return features that are zero, (n_atoms · width,)."""
        return torch.zeros(n_atoms * self.width, dtype=dtype)

    def block(self, x: Tensor, irrep: o3.Irrep) -> Tensor:
        """Return the block of an irrep in the flat array x, (n_atoms, 2l+1, channels), a view."""
        n_atoms = len(x) // self.width
        n_channels, start = self.channels[irrep], n_atoms * self.offsets[irrep]
        return x[start : start + n_atoms * irrep.dim * n_channels].view(n_atoms, irrep.dim, n_channels)

    def blocks(self, x: Tensor) -> Blocks:
        """Return the blocks of all irreps in the flat array x, views."""
        return {irrep: self.block(x, irrep) for irrep in self.channels}

    def scale(self, x: Tensor, factor: Tensor) -> Tensor:
        """Return the features of each atom in the flat array x times its factor; ``factor``: (n_atoms,)."""
        y = torch.empty_like(x)
        for irrep in self.channels:
            torch.mul(self.block(x, irrep), factor[:, None, None], out=self.block(y, irrep))
        return y

    def product(self, x: Tensor, y: Tensor) -> Tensor:
        """Return, for each atom, the inner product of its features in the flat arrays x and y, (n_atoms,)."""
        pairs = zip(self.blocks(x).values(), self.blocks(y).values(), strict=True)
        return sum((block_x * block_y).sum((1, 2)) for block_x, block_y in pairs)  # type: ignore[return-value]
