"""Memory layout of features for the kernels: the blocks of all irreps in one flat array."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.nn.equivariant.irrep_blocks import Blocks


class Layout:
    """Blocks (n_atoms, 2l+1, channels), one for each irrep, one after another in a flat array.

    Args:
        channels: Number of channels of each irrep, in the order of the blocks.
    """

    def __init__(self, channels: Mapping[o3.Irrep, int]):
        self.channels = dict(channels)
        widths = [irrep.dim * n for irrep, n in self.channels.items()]
        self.before = dict(
            zip(self.channels, accumulate(widths, initial=0), strict=False)
        )  # of an atom, before each block
        self.width = sum(widths)

    def empty(self, n_atoms: int, dtype: torch.dtype) -> Tensor:
        """Uninitialised features."""
        return torch.empty(n_atoms * self.width, dtype=dtype)

    def zeros(self, n_atoms: int, dtype: torch.dtype) -> Tensor:
        """Features of value zero."""
        return torch.zeros(n_atoms * self.width, dtype=dtype)

    def block(self, x: Tensor, irrep: o3.Irrep) -> Tensor:
        """The block of an irrep, (n_atoms, 2l+1, channels); a view."""
        n_atoms = len(x) // self.width
        n, first = self.channels[irrep], n_atoms * self.before[irrep]
        return x[first : first + n_atoms * irrep.dim * n].view(n_atoms, irrep.dim, n)

    def blocks(self, x: Tensor) -> Blocks:
        """The blocks of all irreps; views."""
        return {irrep: self.block(x, irrep) for irrep in self.channels}

    def scaled(self, x: Tensor, factor: Tensor) -> Tensor:
        """The features of each atom times a factor, (n_atoms,)."""
        y = torch.empty_like(x)
        for irrep in self.channels:
            torch.mul(self.block(x, irrep), factor[:, None, None], out=self.block(y, irrep))
        return y

    def product(self, x: Tensor, y: Tensor) -> Tensor:
        """Inner products of the features of each atom, (n_atoms,)."""
        pairs = zip(self.blocks(x).values(), self.blocks(y).values(), strict=True)
        return sum((left * right).sum((1, 2)) for left, right in pairs)  # type: ignore[return-value]
