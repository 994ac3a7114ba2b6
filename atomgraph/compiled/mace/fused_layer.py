"""A frozen MACE layer: its linear maps folded, its convolution and its products fused."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import FusedForm, LinearForm, Slopes
from atomgraph.compiled.mace.folded_weights import Weights
from atomgraph.compiled.mace.fused_convolution import FusedConvolution
from atomgraph.compiled.mace.fused_density import FusedDensity
from atomgraph.compiled.mace.fused_message import message_of
from atomgraph.compiled.mace.fused_product import FusedProduct
from atomgraph.compiled.radial_tables import Grid, has_density
from atomgraph.layers.mace import MACELayer
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.equivariant.irrep_blocks import channels_of

#: From slopes by all sources up to the layer's own, which is taken off, to slopes by edge vectors; None where there are none.
LayerPullback = Callable[[Slopes], Tensor | None]


class FusedLayer:
    r"""``layers.MACELayer`` with frozen weights.

    Its source is its products, or its features where these are a form in more than the products and a further layer
    reads them: what reads a source, reads it through one folded matrix.

    Args:
        layer: In float64.
    """

    def __init__(self, layer: MACELayer, grid: Grid, dtype: torch.dtype):
        self._layer, self._dtype = layer, dtype
        self._convolution = FusedConvolution(layer.interaction, layer.l_max, grid, dtype)
        self._product = FusedProduct(layer.product, layer.by_element, dtype)
        self._density = FusedDensity(layer.interaction, grid) if has_density(layer.interaction) else None

    @property
    def radial_error(self) -> float:
        """Largest error of a spline's slope so far, by the largest slope."""
        return self._convolution.error

    @property
    def n_products(self) -> int:
        """Terms of an atom's products, of all channels."""
        return self._product.channels * len(self._product.terms)

    def sources(self) -> dict[str, str]:
        """C++ of the kernels, by name; equal layers have the same."""
        return {part.name: part.source() for part in (self._convolution, self._product)}

    def bind(self, library: ctypes.CDLL, h: LinearForm, sources: list[Layout], is_last: bool) -> LinearForm:
        """Use the compiled kernels; the maps between them are folded, and laid out for their width.

        Args:
            h: The form of the features that come.
            sources: Layouts of all sources before, to which this layer's is added.

        Returns:
            The form of the features that go.
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
        self._message = message_of(library, layer.interaction, dtype, sums, product.before, (up, tuple(sources)))
        out = Weights.of_linear(layer.mix).padded((product.channels, product.padded))
        found = LinearForm(((len(sources), out),)).plus(h.then(self._skip()))
        sources.append(product.after)
        self._features: FusedForm | None = None
        if len(found.terms) > 1 and not is_last:
            channels = channels_of(layer.irreps_out)
            self._features = FusedForm(library, found, tuple(sources), Layout(channels), dtype)
            sources[-1] = Layout(channels)
            found = LinearForm(((len(sources) - 1, Weights.identity(channels)),))
        return found

    def __call__(self, of: Evaluation, sources: list[Tensor]) -> LayerPullback:
        """Appends the layer's source to those before."""
        up = self._up(of, sources)
        sums, of_sums = self._convolution(of.frame, up, sloped=not self._up.is_constant)
        density, of_density = (None, None) if self._density is None else self._density(of.frame)
        message, of_message = self._message(of, sources, sums, density)
        products, of_products = self._product(of, message)
        sources.append(products)
        if self._features is not None:
            sources[-1] = self._features(of, sources)

        def back(slopes: Slopes) -> Tensor | None:
            slope = slopes.pop()
            if slope is not None and self._features is not None:
                slopes.append(None)
                self._features.back(of, slope, slopes)
                slope = slopes.pop()
            if slope is None:
                return None
            by_sums, by_density = of_message(of_products(slope), slopes)
            by_up, by_vector = of_sums(by_sums)
            if by_up is not None:
                self._up.back(of, by_up, slopes)
            if of_density is not None and by_density is not None:
                by_vector += of_density(by_density)
            return by_vector

        return back

    def _skip(self) -> Weights:
        """Of what goes past the products."""
        interaction = self._layer.interaction
        if self._layer.keeps_residual and isinstance(interaction, NonlinearResidualInteraction):
            return Weights.of_linear(interaction.skip)
        if self._layer.keeps_residual and isinstance(interaction, AgnosticInteraction) and interaction.residual:
            return Weights.of_element_linear(interaction.skip)
        return Weights.of_matrices({})
