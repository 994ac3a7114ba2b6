"""Features by irrep in one run of numbers, as the kernels read and write them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.nn.equivariant.irrep_blocks import Blocks


class Layout:
    """Blocks (n_atoms, 2l+1, channels), one after the other.

    Args:
        channels: How many of each irrep, in the order of the blocks.
    """

    def __init__(self, channels: Mapping[o3.Irrep, int]):
        self.channels = dict(channels)
        widths = [irrep.dim * n for irrep, n in self.channels.items()]
        self.before = dict(zip(self.channels, accumulate(widths, initial=0), strict=False))  # numbers of an atom
        self.width = sum(widths)

    def empty(self, n_atoms: int, dtype: torch.dtype) -> Tensor:
        """Room for features, whatever stands there."""
        return torch.empty(n_atoms * self.width, dtype=dtype)

    def zeros(self, n_atoms: int, dtype: torch.dtype) -> Tensor:
        """Features that are zero."""
        return torch.zeros(n_atoms * self.width, dtype=dtype)

    def block(self, x: Tensor, irrep: o3.Irrep) -> Tensor:
        """(n_atoms, 2l+1, channels) of an irrep; a view."""
        n_atoms = len(x) // self.width
        n, first = self.channels[irrep], n_atoms * self.before[irrep]
        return x[first : first + n_atoms * irrep.dim * n].view(n_atoms, irrep.dim, n)

    def blocks(self, x: Tensor) -> Blocks:
        """All blocks; views."""
        return {irrep: self.block(x, irrep) for irrep in self.channels}

    def scaled(self, x: Tensor, factor: Tensor) -> Tensor:
        """Each atom's features times its factor, (n_atoms,)."""
        y = torch.empty_like(x)
        for irrep in self.channels:
            torch.mul(self.block(x, irrep), factor[:, None, None], out=self.block(y, irrep))
        return y

    def product(self, x: Tensor, y: Tensor) -> Tensor:
        """The inner product of each atom's features, (n_atoms,)."""
        both = zip(self.blocks(x).values(), self.blocks(y).values(), strict=True)
        return sum((one * other).sum((1, 2)) for one, other in both)  # type: ignore[return-value]
