"""The convolution of a frozen interaction, by a kernel with tables of the radial weights."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.radial_tables import (
    TOLERANCE,
    Grid,
    PairTables,
    SplineTables,
)
from atomgraph.compiled.radial_weights import RadialWeights
from atomgraph.kernels.cache import checksum
from atomgraph.kernels.convolution_source import CoupledPath, convolution_source
from atomgraph.kernels.function_pointers import DOUBLE, INT, LONG, POINTER, bind_function, pointers
from atomgraph.nn.equivariant.convolution import Convolution
from atomgraph.old_names import OldAttribute
from atomgraph.ops.spherical import harmonic_polynomials

#: Function of the gradient with respect to the sums. It returns the gradients with respect to features (None if not requested)
#: and with respect to edge vectors, (n_edges, 3).
EdgePullback = Callable[[Tensor], tuple[Tensor | None, Tensor]]


class _BoundTables(NamedTuple):
    """Tables for a set of elements.

    Attributes:
        element_rows: Rows of the elements in the model's table.
        splines: The tables of all pairs of these elements (see ``element_pairs``).
        pointers: C array of the addresses of the tables.
    """

    element_rows: tuple[int, ...]
    splines: SplineTables
    pointers: Any


class FusedConvolution:
    """``nn.equivariant.Convolution`` with tables of weights: sums over neighbours from features and edge vectors.

    Args:
        convolution: The convolution, in float64, with equal numbers of channels for each irrep of the features.
        weights: Its radial weights. They are evaluated when a pair of elements occurs for the first time.
        l_max: Maximum degree l of the spherical harmonics.
        grid: Initial grid of the tables.
        dtype: Dtype of the kernel.
    """

    def __init__(self, convolution: Convolution, weights: RadialWeights, l_max: int, grid: Grid, dtype: torch.dtype):
        self.convolution, self._weights, self.dtype = convolution, weights, dtype
        self.channels = convolution.channels
        self.feature_irreps = [irrep for _, irrep in convolution.irreps_in]
        self.message_irreps = list(dict.fromkeys(path.message for path in convolution.paths))
        self.paths_per_message = [
            sum(path.message == irrep for path in convolution.paths) for irrep in self.message_irreps
        ]
        self._l_max, self._n_paths = l_max, len(convolution.paths)
        self._tables = PairTables(weights.functions, grid, TOLERANCE[dtype], self._convert_layout)
        self._bound_tables: _BoundTables | None = None
        self.name = f"convolution_{checksum(self._source(''))}"  # equal convolutions have equal kernels

    @property
    def error(self) -> float:
        """Largest relative error of the derivative of a tabulated weight; 0 before the first evaluation."""
        return self._tables.error

    def source(self) -> str:
        """Return the C++ source of the kernel."""
        return self._source(self.name)

    def _source(self, name: str) -> str:
        convolution = self.convolution
        paths = [
            CoupledPath(
                self.feature_irreps.index(path.feature),
                self.message_irreps.index(path.message),
                convolution.path_coupling(path).numpy(),
                path.harmonics.l**2,
            )
            for path in convolution.paths
        ]
        dims = [irrep.dim for irrep in self.feature_irreps], [irrep.dim for irrep in self.message_irreps]
        polynomials = harmonic_polynomials(self._l_max)
        return convolution_source(name, self.channels, paths, *dims, polynomials, self._tables.grid.degree)

    def bind(self, library: ctypes.CDLL) -> None:
        """Look up the functions of the kernel in the compiled library."""
        self._simd_width = library.width()
        self.padded_channels = -(-self.channels // self._simd_width) * self._simd_width
        self.input_layout = Layout(dict.fromkeys(self.feature_irreps, self.padded_channels))
        self.output_layout = Layout(
            {
                irrep: n_paths * self.padded_channels
                for irrep, n_paths in zip(self.message_irreps, self.paths_per_message, strict=True)
            }
        )
        edge_types = POINTER, POINTER, POINTER, POINTER, POINTER
        shared_types = INT, LONG, *edge_types, POINTER, POINTER, INT, LONG, DOUBLE, POINTER
        self._forward = bind_function(library, f"{self.name}_forward", *shared_types, POINTER)
        self._backward = bind_function(library, f"{self.name}_backward", *shared_types, POINTER, POINTER, POINTER)

    def __call__(
        self, kernel_graph: KernelGraph, features: Tensor, needs_gradient: bool
    ) -> tuple[Tensor, EdgePullback]:
        """Compute sums over neighbours, in ``output_layout``; the channels of all paths to an irrep are concatenated.

        Args:
            kernel_graph: Atoms and edges.
            features: Features in ``input_layout``.
            needs_gradient: Whether the VJP (vector-Jacobian product) includes the gradient with respect to features.

        Returns:
            The sums, and their VJP. It returns the gradients with respect to features (None unless ``needs_gradient``) and with
            respect to edge vectors, (n_edges, 3).
        """
        tables = self._get_tables(kernel_graph)
        sums = self.output_layout.empty(kernel_graph.n_atoms, self.dtype)
        self._forward(*self._arguments(kernel_graph, features, tables, backward=False), sums.data_ptr())

        def vjp(grad: Tensor) -> tuple[Tensor | None, Tensor]:
            grad_vector, grad_features = (
                torch.empty_like(kernel_graph.vector),
                torch.empty_like(features) if needs_gradient else None,
            )
            outputs = None if grad_features is None else grad_features.data_ptr(), grad_vector.data_ptr()
            self._backward(*self._arguments(kernel_graph, features, tables, backward=True), grad.data_ptr(), *outputs)
            return grad_features, grad_vector

        return sums, vjp

    def _get_tables(self, kernel_graph: KernelGraph) -> _BoundTables:
        """Return the tables of all pairs of elements in the graph; cached until the elements change."""
        element_rows = tuple(kernel_graph.element_rows)
        cached = self._bound_tables  # read once, because another thread may replace it
        if cached is None or cached.element_rows != element_rows:
            splines = self._tables.get_tables(self._weights.pairs(kernel_graph.element_rows))
            self._bound_tables = cached = _BoundTables(element_rows, splines, pointers(splines.tables))
        return cached

    def _arguments(
        self, kernel_graph: KernelGraph, features: Tensor, tables: _BoundTables, backward: bool
    ) -> tuple[Any, ...]:
        """Return the first arguments of the forward kernel or, if ``backward``, of the backward kernel."""
        offsets, edge_order = (
            (kernel_graph.neighbour_offsets, kernel_graph.edges_by_neighbour.data_ptr())
            if backward
            else (kernel_graph.centre_offsets, None)
        )
        return (
            torch.get_num_threads(),
            kernel_graph.n_atoms,
            offsets.data_ptr(),
            edge_order,
            kernel_graph.centre.data_ptr(),
            kernel_graph.neighbour.data_ptr(),
            kernel_graph.vector.data_ptr(),
            ctypes.addressof(tables.pointers),
            (kernel_graph.element_index if self._weights.is_pairwise else kernel_graph.zero_index).data_ptr(),
            len(kernel_graph.element_rows) if self._weights.is_pairwise else 1,
            tables.splines.grid.n_pieces,
            tables.splines.grid.cutoff,
            features.data_ptr(),
        )

    def _convert_layout(self, table: Tensor) -> Tensor:
        """Convert a table (n_pieces, degree + 1, n_weights), with n_weights = n_paths · channels, to the order of the kernel.

        The order is [path][block of channels][piece][power][channel in the block]. A block has the channels of a SIMD vector.
        """
        table = table.unflatten(2, (self._n_paths, self.channels))
        if self.padded_channels > self.channels:
            table = torch.nn.functional.pad(table, (0, self.padded_channels - self.channels))
        table = table.unflatten(3, (-1, self._simd_width)).permute(2, 3, 0, 1, 4)
        return table.to(self.dtype).contiguous()

    before, after = OldAttribute("input_layout"), OldAttribute("output_layout")
