"""The fused convolution of a frozen interaction: tables of its radial weights, and its kernel as a function with a slope."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.compiled.function_pointers import DOUBLE, INT, LONG, POINTER, door, pointers
from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.radial_tables import TOLERANCE, Grid, PairTables, Splines, is_pairwise, pairs_of, weights_of
from atomgraph.kernels.cache import checksum
from atomgraph.kernels.convolution_source import CoupledPath, convolution_source
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.ops.spherical import harmonic_polynomials

EdgePullback = Callable[[Tensor], tuple[Tensor | None, Tensor]]


class _Bound(NamedTuple):
    present: tuple[int, ...]
    splines: Splines
    pointers: Any  # to their tables


class FusedConvolution:
    """``nn.Convolution`` with tables of weights: features and edge vectors to sums over neighbours.

    Args:
        interaction: In float64; its networks are evaluated when a pair of elements is first met.
        l_max: Of the harmonics.
        grid: Of their pieces.
        dtype: Of the kernel.
    """

    def __init__(self, interaction: Interaction, l_max: int, grid: Grid, dtype: torch.dtype):
        convolution, self.dtype = interaction.convolution, dtype
        self.channels = convolution.channels
        self.features = [irrep for _, irrep in convolution.irreps_in]
        self.messages = list(dict.fromkeys(path.message for path in convolution.paths))
        self.n_same = [sum(path.message == irrep for path in convolution.paths) for irrep in self.messages]
        self._interaction, self._pairwise = interaction, is_pairwise(interaction)
        self._l_max, self._n_paths = l_max, len(convolution.paths)
        self._tables = PairTables(partial(weights_of, interaction), grid, TOLERANCE[dtype], self._laid_out)
        self._last: _Bound | None = None
        self.name = f"convolution_{checksum(self._source(''))}"  # equal convolutions have equal kernels

    @property
    def error(self) -> float:
        """Largest error of a weight's slope so far, by the largest slope there or farther."""
        return self._tables.error

    def source(self) -> str:
        """C++ of the kernel."""
        return self._source(self.name)

    def _source(self, name: str) -> str:
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
        return convolution_source(name, self.channels, paths, *dims, polynomials, self._tables.grid.degree)

    def bind(self, library: ctypes.CDLL) -> None:
        """Use the compiled kernel."""
        self._width = library.width()
        self.padded = -(-self.channels // self._width) * self._width
        self.before = Layout(dict.fromkeys(self.features, self.padded))
        self.after = Layout({irrep: n * self.padded for irrep, n in zip(self.messages, self.n_same, strict=True)})
        edges = POINTER, POINTER, POINTER, POINTER, POINTER
        structure = INT, LONG, *edges, POINTER, POINTER, INT, LONG, DOUBLE, POINTER
        self._forward = door(library, f"{self.name}_forward", *structure, POINTER)
        self._backward = door(library, f"{self.name}_backward", *structure, POINTER, POINTER, POINTER)

    def __call__(self, frame: KernelGraph, features: Tensor, sloped: bool) -> tuple[Tensor, EdgePullback]:
        """Sums, in the layout ``after`` (paths to an irrep side by side), of features in the layout ``before``.

        Args:
            sloped: Whether features have a slope. The pullback gives it, or None, and slopes by the edge vectors,
                (n_edges, 3).
        """
        splines = self._splines_of(frame)
        sums = self.after.empty(frame.n_atoms, self.dtype)
        self._forward(*self._arguments(frame, features, splines, backward=False), sums.data_ptr())

        def back(slope: Tensor) -> tuple[Tensor | None, Tensor]:
            by_vector, by_features = torch.empty_like(frame.vector), torch.empty_like(features) if sloped else None
            to = None if by_features is None else by_features.data_ptr(), by_vector.data_ptr()
            self._backward(*self._arguments(frame, features, splines, backward=True), slope.data_ptr(), *to)
            return by_features, by_vector

        return sums, back

    def _splines_of(self, frame: KernelGraph) -> _Bound:
        """Of all pairs of elements that are present; kept until other elements come."""
        present, last = tuple(frame.present), self._last  # read once: another thread may exchange it
        if last is None or last.present != present:
            splines = self._tables.of(pairs_of(self._interaction, frame.present))
            self._last = last = _Bound(present, splines, pointers(splines.tables))
        return last

    def _arguments(self, frame: KernelGraph, features: Tensor, bound: _Bound, backward: bool) -> tuple[Any, ...]:
        """What both kernels take first."""
        row, order = (frame.column, frame.order.data_ptr()) if backward else (frame.row, None)
        return (
            torch.get_num_threads(),
            frame.n_atoms,
            row.data_ptr(),
            order,
            frame.centre.data_ptr(),
            frame.neighbour.data_ptr(),
            frame.vector.data_ptr(),
            ctypes.addressof(bound.pointers),
            (frame.kind if self._pairwise else frame.alike).data_ptr(),
            len(frame.present) if self._pairwise else 1,
            bound.splines.grid.n_pieces,
            bound.splines.grid.cutoff,
            features.data_ptr(),
        )

    def _laid_out(self, table: Tensor) -> Tensor:
        """(n_pieces, powers, n_weights) as the kernel wants it: [path][block of channels][piece][power][width]."""
        table = table.unflatten(2, (self._n_paths, self.channels))
        if self.padded > self.channels:
            table = torch.nn.functional.pad(table, (0, self.padded - self.channels))
        table = table.unflatten(3, (-1, self._width)).permute(2, 3, 0, 1, 4)
        return table.to(self.dtype).contiguous()
