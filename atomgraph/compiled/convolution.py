"""The fused convolution of a frozen interaction: tables of its radial weights, and its kernel as a function with a slope."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any

import torch
from torch import Tensor

from atomgraph.compiled.frame import Frame
from atomgraph.compiled.pointers import pointer, pointers
from atomgraph.compiled.radial import FIRST, TOLERANCE, Grid, PairTables, Splines, is_pairwise, pairs_of, weights_of
from atomgraph.kernels.convolution import CoupledPath, convolution_source
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.ops.spherical import harmonic_polynomials


class FusedConvolution:
    """``nn.Convolution`` with splines for weights: blocks of features and edge vectors to blocks of sums.

    interaction: in float64; its networks are evaluated on knots when a pair of elements is first met.
    l_max: of the harmonics.  grid: of the knots.  dtype: of the kernel.
    """

    def __init__(self, name: str, interaction: Interaction, l_max: int, grid: Grid, dtype: torch.dtype):
        convolution = interaction.convolution
        self.name, self.dtype = name, dtype
        self.channels = convolution.channels
        self.features = [irrep for _, irrep in convolution.irreps_in]
        self.messages = list(dict.fromkeys(path.message for path in convolution.paths))
        self.n_same = [sum(path.message == irrep for path in convolution.paths) for irrep in self.messages]
        self._interaction, self._pairwise = interaction, is_pairwise(interaction)
        self._l_max, self._n_paths = l_max, len(convolution.paths)
        self._tables = PairTables(partial(weights_of, interaction), grid, TOLERANCE[dtype], self._laid_out)

    @property
    def error(self) -> float:
        """Largest error of a spline's slope so far, by the largest slope."""
        return self._tables.error

    def source(self) -> str:
        """C++ of the kernel."""
        convolution = self._interaction.convolution
        paths = [
            CoupledPath(
                self.features.index(path.feature),
                self.messages.index(path.message),
                convolution.coupling_of(path).numpy(),
                path.harmonics.l**2,
            )
            for path in convolution.paths
        ]
        dims = [irrep.dim for irrep in self.features], [irrep.dim for irrep in self.messages]
        polynomials = harmonic_polynomials(self._l_max)
        return convolution_source(
            self.name, self.channels, paths, *dims, polynomials, 2 * self._tables.grid.derivatives - 1
        )

    def bind(self, library: ctypes.CDLL) -> None:
        """Use the compiled kernel."""
        self._width = library.width()
        self.padded = -(-self.channels // self._width) * self._width
        self._forward = getattr(library, f"{self.name}_forward")
        self._backward = getattr(library, f"{self.name}_backward")

    def __call__(self, frame: Frame, vector: Tensor, features: list[Tensor], sloped: bool) -> list[Tensor]:
        """Blocks (n_atoms, 2l+1, padded) of features to blocks (n_atoms, 2l+1, n_paths_to_l · padded) of sums.

        sloped: whether features have a slope.
        """
        return list(_Convolve.apply(vector, self, frame, sloped, *features))

    def splines(self, frame: Frame) -> Splines:
        """Of the weights of all pairs of elements that are present."""
        return self._tables.of(pairs_of(self._interaction, frame.present))

    def arguments(
        self, frame: Frame, vector: Tensor, features: list[Tensor], splines: Splines, backward: bool
    ) -> list[Any]:
        """What both kernels take first."""
        kind = frame.kind if self._pairwise else frame.alike
        return [
            ctypes.c_int(torch.get_num_threads()),
            ctypes.c_int64(frame.n_atoms),
            pointer(frame.column if backward else frame.row),
            pointer(frame.order if backward else None),
            *map(pointer, (frame.centre, frame.neighbour, vector)),
            pointers(splines.tables),
            pointer(kind),
            ctypes.c_int(len(frame.present) if self._pairwise else 1),
            ctypes.c_int64(splines.grid.n_pieces),
            ctypes.c_double(FIRST),
            ctypes.c_double(1.0 / splines.grid.step),
            pointers(features),
        ]

    def _laid_out(self, table: Tensor) -> Tensor:
        """(n_pieces, powers, n_weights) as the kernel wants it: [path][block of channels][piece][power][width]."""
        table = table.unflatten(2, (self._n_paths, self.channels))
        if self.padded > self.channels:
            table = torch.nn.functional.pad(table, (0, self.padded - self.channels))
        table = table.unflatten(3, (-1, self._width)).permute(2, 3, 0, 1, 4)
        return table.to(self.dtype).contiguous()


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, vector: Tensor, kernel: FusedConvolution, frame: Frame, sloped: bool, *features: Tensor
    ) -> Any:
        features = tuple(block.contiguous() for block in features)
        sums = tuple(
            vector.new_empty(frame.n_atoms, irrep.dim, n * kernel.padded)
            for irrep, n in zip(kernel.messages, kernel.n_same, strict=True)
        )
        splines = kernel.splines(frame)
        kernel._forward(*kernel.arguments(frame, vector, list(features), splines, False), pointers(sums))
        ctx.save_for_backward(vector, *features)
        ctx.kernel, ctx.frame, ctx.splines, ctx.sloped = kernel, frame, splines, sloped
        return sums

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        vector, *features = ctx.saved_tensors
        kernel, frame = ctx.kernel, ctx.frame
        slopes = tuple(slope.contiguous() for slope in slopes)
        by_vector = torch.empty_like(vector)
        by_features = [torch.empty_like(block) for block in features] if ctx.sloped else None
        kernel._backward(
            *kernel.arguments(frame, vector, features, ctx.splines, True),
            pointers(slopes),
            None if by_features is None else pointers(by_features),
            pointer(by_vector),
        )
        return by_vector, None, None, None, *(by_features or (None,) * len(features))
