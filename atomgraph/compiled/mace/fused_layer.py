"""A frozen MACE layer: consecutive linear maps merged into one matrix, and kernels for convolution and products."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.folded_weights import Weights
from atomgraph.compiled.fused_convolution import FusedConvolution
from atomgraph.compiled.fused_forms import describe_unsupported
from atomgraph.compiled.fused_layers import FusedLayer, LayerPullback, fuse_layer
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import FusedForm, Gradients, LinearForm
from atomgraph.compiled.mace.fused_density import FusedDensity
from atomgraph.compiled.mace.fused_message import fused_message
from atomgraph.compiled.mace.fused_product import FusedProduct
from atomgraph.compiled.mace.interaction_weights import InteractionWeights, has_density
from atomgraph.compiled.radial_tables import Grid
from atomgraph.layers.mace import MACELayer
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.attention import AttentionResidualInteraction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.equivariant.irrep_blocks import channels_per_irrep


@describe_unsupported.register
def _(layer: MACELayer) -> str | None:
    if isinstance(layer.interaction, AttentionResidualInteraction):
        return "an interaction whose weights depend on features (attention_residual)"
    return None if layer.radial.differentiable else "radial functions without gradient"


@fuse_layer.register
def _(layer: MACELayer, grid: Grid, dtype: torch.dtype) -> FusedLayer:
    return FusedMACELayer(layer, grid, dtype)


class FusedMACELayer(FusedLayer):
    r"""``layers.MACELayer`` with frozen weights.

    The layer array contains the products. If the output features depend on more than the products and a later layer uses these
    features, the array contains the features instead.

    Args:
        layer: The layer, in float64.
        grid: Initial grid of the radial tables.
        dtype: Dtype of the kernels.
    """

    def __init__(self, layer: MACELayer, grid: Grid, dtype: torch.dtype):
        self._layer, self._dtype = layer, dtype
        self._convolution = FusedConvolution(
            layer.interaction.convolution, InteractionWeights(layer.interaction), layer.l_max, grid, dtype
        )
        self._product = FusedProduct(layer.product, layer.by_element, dtype)
        self._density = FusedDensity(layer.interaction, grid) if has_density(layer.interaction) else None

    @property
    def radial_error(self) -> float:
        """Largest relative error of the derivative of a radial weight; 0 before the first evaluation."""
        return self._convolution.error

    @property
    def n_products(self) -> int:
        """Number of product terms per atom, summed over channels."""
        return self._product.channels * len(self._product.terms)

    def kernel_sources(self) -> dict[str, str]:
        """Return the C++ code of the kernels, by name; equal layers have equal kernels."""
        return {part.name: part.source() for part in (self._convolution, self._product)}

    def bind(self, library: ctypes.CDLL, h: LinearForm, layouts: list[Layout], is_last: bool) -> LinearForm:
        """Look up the compiled kernels, and merge the linear maps between them; see ``FusedLayer.bind``."""
        self._convolution.bind(library)
        self._product.bind(library)
        if self._density is not None:
            self._density.bind(library)
        layer, convolution, product, dtype = self._layer, self._convolution, self._product, self._dtype
        up = h.then(Weights.from_linear(layer.interaction.up))
        padded_up = h.then(Weights.from_linear(layer.interaction.up).pad(n_columns=convolution.padded_channels))
        self._up = FusedForm(library, padded_up, layouts, convolution.input_layout, dtype)
        sums_layout = convolution.output_layout, (convolution.channels, convolution.padded_channels)
        self._message = fused_message(
            layer.interaction, library, dtype, sums_layout, product.input_layout, (up, tuple(layouts))
        )
        output_weights = Weights.from_linear(layer.mix).pad((product.channels, product.padded_channels))
        features = LinearForm(((len(layouts), output_weights),)).plus(h.then(self._skip()))
        layouts.append(product.output_layout)
        self._features: FusedForm | None = None
        if len(features.terms) > 1 and not is_last:
            channels = channels_per_irrep(layer.irreps_out)
            self._features = FusedForm(library, features, tuple(layouts), Layout(channels), dtype)
            layouts[-1] = Layout(channels)
            features = LinearForm(((len(layouts) - 1, Weights.identity(channels)),))
        return features

    def __call__(self, evaluation: Evaluation, layer_arrays: list[Tensor]) -> LayerPullback:
        """Compute the array of the layer, and append it; see ``FusedLayer.__call__``."""
        up = self._up(evaluation, layer_arrays)
        sums, sums_vjp = self._convolution(evaluation.kernel_graph, up, needs_gradient=not self._up.is_constant)
        density, density_vjp = (None, None) if self._density is None else self._density(evaluation.kernel_graph)
        message, message_vjp = self._message(evaluation, layer_arrays, sums, density)
        products, products_vjp = self._product(evaluation, message)
        layer_arrays.append(products)
        if self._features is not None:
            layer_arrays[-1] = self._features(evaluation, layer_arrays)

        def vjp(grads: Gradients) -> Tensor | None:
            grad = grads.pop()
            if grad is not None and self._features is not None:
                grads.append(None)
                self._features.vjp(evaluation, grad, grads)
                grad = grads.pop()
            if grad is None:
                return None
            grad_sums, grad_density = message_vjp(products_vjp(grad), grads)
            grad_up, grad_vector = sums_vjp(grad_sums)
            if grad_up is not None:
                self._up.vjp(evaluation, grad_up, grads)
            if density_vjp is not None and grad_density is not None:
                grad_vector += density_vjp(grad_density)
            return grad_vector

        return vjp

    def _skip(self) -> Weights:
        """Return the matrices of the residual connection, from input to output features; none without a residual connection."""
        interaction = self._layer.interaction
        if self._layer.keeps_residual and isinstance(interaction, NonlinearResidualInteraction):
            return Weights.from_linear(interaction.skip)
        if self._layer.keeps_residual and isinstance(interaction, AgnosticInteraction) and interaction.residual:
            return Weights.from_element_linear(interaction.skip)
        return Weights.from_matrices({})
