"""A frozen MACE layer: its linear maps folded, its convolution and its products fused."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.fused_forms import missing_form
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import FusedForm, Gradients, LinearForm
from atomgraph.compiled.mace.folded_weights import Weights
from atomgraph.compiled.mace.fused_convolution import FusedConvolution
from atomgraph.compiled.mace.fused_density import FusedDensity
from atomgraph.compiled.mace.fused_message import fused_message
from atomgraph.compiled.mace.fused_product import FusedProduct
from atomgraph.compiled.radial_tables import Grid, has_density
from atomgraph.layers.mace import MACELayer
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.attention import AttentionResidualInteraction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.equivariant.irrep_blocks import channels_per_irrep

#: Removes the gradient by the layer's own source from the list, and returns that by edge vectors; None without gradient.
LayerPullback = Callable[[Gradients], Tensor | None]


@missing_form.register
def _(layer: MACELayer) -> str | None:
    if isinstance(layer.interaction, AttentionResidualInteraction):
        return "an interaction whose weights look at features (attention_residual)"
    return None if layer.radial.differentiable else "radial functions without gradient"


class FusedLayer:
    r"""``layers.MACELayer`` with frozen weights.

    The source of a layer is what later parts read, each through one folded matrix: its products, or its features if they
    depend on more than the products and a later layer reads them.

    Args:
        layer: The layer, in float64.
        grid: First grid of the radial tables.
        dtype: Of the kernels.
    """

    def __init__(self, layer: MACELayer, grid: Grid, dtype: torch.dtype):
        self._layer, self._dtype = layer, dtype
        self._convolution = FusedConvolution(layer.interaction, layer.l_max, grid, dtype)
        self._product = FusedProduct(layer.product, layer.by_element, dtype)
        self._density = FusedDensity(layer.interaction, grid) if has_density(layer.interaction) else None

    @property
    def radial_error(self) -> float:
        """Largest relative error of a radial weight's derivative so far."""
        return self._convolution.error

    @property
    def n_products(self) -> int:
        """Number of terms of the products of an atom, over channels."""
        return self._product.channels * len(self._product.terms)

    def sources(self) -> dict[str, str]:
        """The C++ of the kernels, by name; equal layers share them."""
        return {part.name: part.source() for part in (self._convolution, self._product)}

    def bind(self, library: ctypes.CDLL, h: LinearForm, sources: list[Layout], is_last: bool) -> LinearForm:
        """Look up the compiled kernels; fold the maps between them, padded to the width of the kernels.

        Args:
            library: The kernels.
            h: The form of the input features.
            sources: Layouts of all earlier sources; that of this layer is appended.
            is_last: Whether no later layer reads the features.

        Returns:
            The form of the output features.
        """
        self._convolution.bind(library)
        self._product.bind(library)
        if self._density is not None:
            self._density.bind(library)
        layer, convolution, product, dtype = self._layer, self._convolution, self._product, self._dtype
        up = h.then(Weights.of_linear(layer.interaction.up))
        padded_up = h.then(Weights.of_linear(layer.interaction.up).padded(after=convolution.padded))
        self._up = FusedForm(library, padded_up, sources, convolution.before, dtype)
        sums = convolution.after, (convolution.channels, convolution.padded)
        self._message = fused_message(layer.interaction, library, dtype, sums, product.before, (up, tuple(sources)))
        out = Weights.of_linear(layer.mix).padded((product.channels, product.padded))
        features = LinearForm(((len(sources), out),)).plus(h.then(self._skip()))
        sources.append(product.after)
        self._features: FusedForm | None = None
        if len(features.terms) > 1 and not is_last:
            channels = channels_per_irrep(layer.irreps_out)
            self._features = FusedForm(library, features, tuple(sources), Layout(channels), dtype)
            sources[-1] = Layout(channels)
            features = LinearForm(((len(sources) - 1, Weights.identity(channels)),))
        return features

    def __call__(self, run: Evaluation, sources: list[Tensor]) -> LayerPullback:
        """Append the source of the layer.

        Returns:
            Its vector-Jacobian product.
        """
        up = self._up(run, sources)
        sums, sums_vjp = self._convolution(run.kernel_graph, up, needs_gradient=not self._up.is_constant)
        density, density_vjp = (None, None) if self._density is None else self._density(run.kernel_graph)
        message, message_vjp = self._message(run, sources, sums, density)
        products, products_vjp = self._product(run, message)
        sources.append(products)
        if self._features is not None:
            sources[-1] = self._features(run, sources)

        def vjp(grads: Gradients) -> Tensor | None:
            grad = grads.pop()
            if grad is not None and self._features is not None:
                grads.append(None)
                self._features.vjp(run, grad, grads)
                grad = grads.pop()
            if grad is None:
                return None
            grad_sums, grad_density = message_vjp(products_vjp(grad), grads)
            grad_up, grad_vector = sums_vjp(grad_sums)
            if grad_up is not None:
                self._up.vjp(run, grad_up, grads)
            if density_vjp is not None and grad_density is not None:
                grad_vector += density_vjp(grad_density)
            return grad_vector

        return vjp

    def _skip(self) -> Weights:
        """The residual map, which bypasses the products."""
        interaction = self._layer.interaction
        if self._layer.keeps_residual and isinstance(interaction, NonlinearResidualInteraction):
            return Weights.of_linear(interaction.skip)
        if self._layer.keeps_residual and isinstance(interaction, AgnosticInteraction) and interaction.residual:
            return Weights.of_element_linear(interaction.skip)
        return Weights.of_matrices({})
