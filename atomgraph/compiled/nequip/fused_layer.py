"""A frozen NequIP layer: kernels for the convolution, consecutive linear maps merged into one matrix, and a gate."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.folded_weights import Weights
from atomgraph.compiled.fused_convolution import EdgePullback, FusedConvolution
from atomgraph.compiled.fused_forms import describe_unsupported
from atomgraph.compiled.fused_gate import FusedGate
from atomgraph.compiled.fused_layers import FusedLayer, LayerPullback, fuse_layer
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LinearMap
from atomgraph.compiled.linear_forms import FusedForm, Gradients, LinearForm
from atomgraph.compiled.nequip.layer_weights import LayerWeights
from atomgraph.compiled.radial_tables import PIECES, Grid
from atomgraph.layers.embedding_linear import EmbeddingLinear
from atomgraph.layers.nequip_layer import NequIPLayer
from atomgraph.nn.equivariant.convolution import Convolution
from atomgraph.nn.equivariant.irrep_blocks import channels_per_irrep
from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear


@describe_unsupported.register
def _(layer: NequIPLayer) -> str | None:
    if not layer.radial.differentiable:
        return "radial functions without gradient"
    if not Grid(layer.cutoff, *PIECES[torch.float64], radial_knots(layer)).align().has_knots_at_ends:
        return "jumps of the radial functions' curvature at distances that are not all ends of pieces of one table"
    return None


@fuse_layer.register
def _(layer: NequIPLayer, grid: Grid, dtype: torch.dtype) -> FusedLayer:
    return FusedNequIPLayer(layer, grid, dtype)


class _Part(NamedTuple):
    """A convolution of those features that have the same number of channels.

    Attributes:
        convolution: The kernel.
        up: Linear form of its input features.
        mix: Map of its sums to the input of the gate.
    """

    convolution: FusedConvolution
    up: FusedForm
    mix: LinearMap


class FusedNequIPLayer(FusedLayer):
    """``layers.NequIPLayer`` with frozen weights. The layer array contains the output of the gate.

    A kernel computes the convolution of features with equal numbers of channels. Irreps with other numbers of channels have
    kernels of their own, and the layer adds the results.

    Args:
        layer: The layer, in float64.
        grid: Initial grid of the radial tables.
        dtype: Dtype of the kernels.
    """

    def __init__(self, layer: NequIPLayer, grid: Grid, dtype: torch.dtype):
        self._layer, self._dtype = layer, dtype
        self._gate = FusedGate(layer.gate)
        grid = replace(grid, knots=radial_knots(layer)).align()
        self._convolutions = [
            FusedConvolution(convolution, LayerWeights(layer, convolution.paths), layer.l_max, grid, dtype)
            for convolution in split_by_channels(layer.convolution, layer.gate.irreps_in)
        ]

    @property
    def radial_error(self) -> float:
        """Largest relative error of the derivative of a radial weight; 0 before the first evaluation."""
        return max(convolution.error for convolution in self._convolutions)

    @property
    def n_products(self) -> int:
        """Number of products of features and harmonics per edge, summed over paths and channels."""
        return self._layer.convolution.n_weights

    def kernel_sources(self) -> dict[str, str]:
        """Return the C++ code of the kernels, by name; equal convolutions have equal kernels."""
        return {convolution.name: convolution.source() for convolution in self._convolutions}

    def bind(self, library: ctypes.CDLL, h: LinearForm, layouts: list[Layout], is_last: bool) -> LinearForm:
        """Look up the compiled kernels, and merge the linear maps between them; see ``FusedLayer.bind``."""
        layer, dtype, earlier = self._layer, self._dtype, tuple(layouts)
        up = self._up_form(h)
        self._parts = []
        for convolution in self._convolutions:
            convolution.bind(library)
            padding = convolution.channels, convolution.padded_channels
            padded_up = up.then(_padding(convolution.feature_irreps, *padding))
            up_form = FusedForm(library, padded_up, earlier, convolution.input_layout, dtype)
            weights = self._mix_weights(convolution.convolution).pad(padding)
            mix = LinearMap(library, convolution.output_layout, self._gate.input_layout, weights, dtype)
            self._parts.append(_Part(convolution, up_form, mix))
        connection = self._connection_form(h)
        self._connection = FusedForm(library, connection, earlier, self._gate.input_layout, dtype)
        channels = channels_per_irrep(layer.irreps_out)
        features = LinearForm(((len(layouts), Weights.identity(channels)),))
        layouts.append(self._gate.output_layout)
        return features.plus(h) if layer.residual else features

    def __call__(self, evaluation: Evaluation, layer_arrays: list[Tensor]) -> LayerPullback:
        """Compute the array of the layer, and append it; see ``FusedLayer.__call__``."""
        message = self._connection(evaluation, layer_arrays)
        sums_vjps: list[EdgePullback] = []
        for convolution, up, mix in self._parts:
            features = up(evaluation, layer_arrays)
            sums, sums_vjp = convolution(evaluation.kernel_graph, features, needs_gradient=not up.is_constant)
            mix(evaluation.all_atoms, sums, message)  # adds to the message
            sums_vjps.append(sums_vjp)
        gated, gate_vjp = self._gate(message)
        layer_arrays.append(gated)

        def vjp(grads: Gradients) -> Tensor | None:
            grad = grads.pop()
            if grad is None:
                return None
            grad_message = gate_vjp(grad)
            self._connection.vjp(evaluation, grad_message, grads)
            total: Tensor | None = None
            for part, sums_vjp in zip(self._parts, sums_vjps, strict=True):
                grad_up, grad_vector = sums_vjp(part.mix.vjp(evaluation.all_atoms, grad_message))
                if grad_up is not None:
                    part.up.vjp(evaluation, grad_up, grads)
                total = grad_vector if total is None else total.add_(grad_vector)
            return total

        return vjp

    def _up_form(self, h: LinearForm) -> LinearForm:
        """Return the form of W₁ h, times the root of the number of neighbours if the number depends on the element."""
        up, factor = self._layer.up, self._layer.neighbours().rsqrt()
        form = h.then(Weights.from_linear(up)).plus(self._constant(up))
        if not factor.ndim:
            return form
        channels = channels_per_irrep(self._layer.irreps_in)
        shapes = {irrep: (n, n) for irrep, n in channels.items()}
        scaled = {irrep: torch.eye(n, dtype=torch.float64) for irrep, n in channels.items()}
        return form.then(Weights(shapes, by_element=True, matrix=lambda irrep, z: scaled[irrep] * factor[z]))

    def _connection_form(self, h: LinearForm) -> LinearForm:
        """Return the form of the self-connection, and of the bias of W₂."""
        connection, bias = self._layer.self_connection, self._constant(self._layer.mix)
        if isinstance(connection, EquivariantLinear):
            return h.then(Weights.from_linear(connection)).plus(bias)
        if isinstance(connection, ElementLinear):
            return h.then(Weights.from_element_linear(connection)).plus(bias)
        if isinstance(connection, EmbeddingLinear):
            matrices = {irrep: matrix.detach() for irrep, matrix in connection.element_matrices().items()}
            shapes = {irrep: (matrix.shape[1], matrix.shape[2]) for irrep, matrix in matrices.items()}
            weights = Weights(shapes, by_element=True, matrix=lambda irrep, z: matrices[irrep][z])
            return h.then(weights).plus(bias)
        return bias

    def _constant(self, linear: EquivariantLinear) -> LinearForm:
        """Return the bias of a linear map, for each element."""
        if linear.bias is None:
            return LinearForm()
        return LinearForm(table=linear.bias.detach().expand(len(self._layer.elements), -1))

    def _mix_weights(self, convolution: Convolution) -> Weights:
        """Return those rows of W₂ that belong to the paths of a convolution, with the factors of W₂ and of the neighbours."""
        layer, full, rows = self._layer, self._layer.convolution, dict[o3.Irrep, list[int]]()
        n_rows: dict[o3.Irrep, int] = {}
        for path, channels in zip(full.paths, full.path_channels, strict=True):
            start = n_rows.get(path.message, 0)
            n_rows[path.message] = start + channels
            if path in convolution.paths:
                rows.setdefault(path.message, []).extend(range(start, start + channels))
        factor = layer.neighbours().rsqrt()
        scale = 1.0 if factor.ndim else float(factor)
        matrices = Weights.from_linear(layer.mix, scale)
        return Weights.from_matrices(
            {irrep: matrices.matrix(irrep, 0)[rows[irrep]] for irrep in matrices.shapes if irrep in rows}
        )


def split_by_channels(convolution: Convolution, messages: o3.Irreps) -> list[Convolution]:
    """Return convolutions of the features with equal numbers of channels; together they have all paths of the convolution.

    Args:
        convolution: The convolution.
        messages: Irreps of the messages.
    """
    groups: dict[int, list[tuple[int, o3.Irrep]]] = {}
    used = {path.feature for path in convolution.paths}
    for n, irrep in convolution.irreps_in:
        if irrep in used:
            groups.setdefault(n, []).append((n, irrep))
    if len(groups) == 1 and len(used) == len(convolution.irreps_in):
        return [convolution]
    return [
        Convolution(o3.Irreps(group), convolution.harmonics, messages, convolution.coupling_dtype)
        for group in groups.values()
    ]


def radial_knots(layer: NequIPLayer) -> tuple[float, ...]:
    """Return the distances below the cutoff at which a higher derivative of the radial weights jumps, Å."""
    radial = layer.radial
    if radial.pair_cutoffs is None:
        return (radial.envelope_inner,) if radial.envelope_inner else ()
    cutoffs = radial.pair_cutoffs.table.unique().tolist()
    inner = [radial.envelope_inner * r / radial.cutoff for r in cutoffs if radial.envelope_inner]
    return tuple(sorted({r for r in [*cutoffs, *inner] if r < radial.cutoff}))


def _padding(irreps: Sequence[o3.Irrep], n: int, n_padded: int) -> Weights:
    """Return matrices (n, n_padded) that append channels of zeros."""
    matrix = torch.eye(n, n_padded, dtype=torch.float64)
    return Weights.from_matrices(dict.fromkeys(irreps, matrix))
