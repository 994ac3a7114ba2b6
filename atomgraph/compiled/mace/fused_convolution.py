"""The fused convolution of a frozen interaction: its kernel, with tables of its radial weights."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.compiled.function_pointers import DOUBLE, INT, LONG, POINTER, bind_function, pointers
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
    """``nn.equivariant.Convolution`` with tables of weights: sums over neighbours from features and edge vectors.

    Args:
        interaction: In float64; its network is evaluated when a pair of elements first occurs.
        l_max: Of the harmonics.
        grid: First grid of the tables.
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
        """Largest relative error of a weight's derivative so far."""
        return self._tables.error

    def source(self) -> str:
        """The C++ of the kernel."""
        return self._source(self.name)

    def _source(self, name: str) -> str:
        convolution = self._interaction.convolution
        paths = [
            CoupledPath(
                self.features.index(path.feature),
                self.messages.index(path.message),
                convolution.path_coupling(path).numpy(),
                path.harmonics.l**2,
            )
            for path in convolution.paths
        ]
        dims = [irrep.dim for irrep in self.features], [irrep.dim for irrep in self.messages]
        polynomials = harmonic_polynomials(self._l_max)
        return convolution_source(name, self.channels, paths, *dims, polynomials, self._tables.grid.degree)

    def bind(self, library: ctypes.CDLL) -> None:
        """Look up the functions in the compiled library."""
        self._width = library.width()
        self.padded = -(-self.channels // self._width) * self._width
        self.before = Layout(dict.fromkeys(self.features, self.padded))
        self.after = Layout({irrep: n * self.padded for irrep, n in zip(self.messages, self.n_same, strict=True)})
        edges = POINTER, POINTER, POINTER, POINTER, POINTER
        structure = INT, LONG, *edges, POINTER, POINTER, INT, LONG, DOUBLE, POINTER
        self._forward = bind_function(library, f"{self.name}_forward", *structure, POINTER)
        self._backward = bind_function(library, f"{self.name}_backward", *structure, POINTER, POINTER, POINTER)

    def __call__(
        self, kernel_graph: KernelGraph, features: Tensor, needs_gradient: bool
    ) -> tuple[Tensor, EdgePullback]:
        """Sums over neighbours, in the layout ``after`` with the paths to an irrep side by side.

        Args:
            kernel_graph: Atoms and edges.
            features: In the layout ``before``.
            needs_gradient: Whether the VJP gives the gradient with respect to features, too.

        Returns:
            The sums, and their VJP: gradients with respect to features (or None) and edge vectors, (n_edges, 3).
        """
        splines = self._splines_of(kernel_graph)
        sums = self.after.empty(kernel_graph.n_atoms, self.dtype)
        self._forward(*self._arguments(kernel_graph, features, splines, backward=False), sums.data_ptr())

        def vjp(grad: Tensor) -> tuple[Tensor | None, Tensor]:
            grad_vector, grad_features = (
                torch.empty_like(kernel_graph.vector),
                torch.empty_like(features) if needs_gradient else None,
            )
            to = None if grad_features is None else grad_features.data_ptr(), grad_vector.data_ptr()
            self._backward(*self._arguments(kernel_graph, features, splines, backward=True), grad.data_ptr(), *to)
            return grad_features, grad_vector

        return sums, vjp

    def _splines_of(self, kernel_graph: KernelGraph) -> _Bound:
        """Tables of all pairs of elements in the graph; cached until the elements change."""
        present, last = tuple(kernel_graph.present), self._last  # read once, because another thread may replace it
        if last is None or last.present != present:
            splines = self._tables.of(pairs_of(self._interaction, kernel_graph.present))
            self._last = last = _Bound(present, splines, pointers(splines.tables))
        return last

    def _arguments(self, kernel_graph: KernelGraph, features: Tensor, bound: _Bound, backward: bool) -> tuple[Any, ...]:
        """The first arguments of both kernels."""
        row, order = (kernel_graph.column, kernel_graph.order.data_ptr()) if backward else (kernel_graph.row, None)
        return (
            torch.get_num_threads(),
            kernel_graph.n_atoms,
            row.data_ptr(),
            order,
            kernel_graph.centre.data_ptr(),
            kernel_graph.neighbour.data_ptr(),
            kernel_graph.vector.data_ptr(),
            ctypes.addressof(bound.pointers),
            (kernel_graph.kind if self._pairwise else kernel_graph.alike).data_ptr(),
            len(kernel_graph.present) if self._pairwise else 1,
            bound.splines.grid.n_pieces,
            bound.splines.grid.cutoff,
            features.data_ptr(),
        )

    def _laid_out(self, table: Tensor) -> Tensor:
        """A table (n_pieces, powers, n_weights) in the order of the kernel: [path][block of channels][piece][power][width]."""
        table = table.unflatten(2, (self._n_paths, self.channels))
        if self.padded > self.channels:
            table = torch.nn.functional.pad(table, (0, self.padded - self.channels))
        table = table.unflatten(3, (-1, self._width)).permute(2, 3, 0, 1, 4)
        return table.to(self.dtype).contiguous()
