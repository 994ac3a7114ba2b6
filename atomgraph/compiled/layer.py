"""A frozen MACE layer: its linear maps folded, its convolution and its products fused."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from atomgraph.compiled.convolution import FusedConvolution
from atomgraph.compiled.density import FusedDensity
from atomgraph.compiled.frame import Frame
from atomgraph.compiled.maps import BlockMap, ElementMap, Table
from atomgraph.compiled.message import message_of
from atomgraph.compiled.product import FusedProduct
from atomgraph.compiled.radial import Grid, has_density
from atomgraph.layers.mace import MACELayer
from atomgraph.layers.mace.elements import AgnosticInteraction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.blocks import Blocks


class FusedLayer:
    """``layers.MACELayer`` with frozen weights, for features by irrep in the kernels' order.

    layer: in float64.  first: its features are a table by element, and nothing has a slope by them.
    """

    def __init__(self, name: str, layer: MACELayer, grid: Grid, first: bool, dtype: torch.dtype):
        self._layer, self._first, self._dtype = layer, first, dtype
        self._convolution = FusedConvolution(f"{name}_convolution", layer.interaction, layer.l_max, grid, dtype)
        self._product = FusedProduct(f"{name}_product", layer.product, layer.by_element, dtype)
        self._constants: dict[str, Table] = {}
        self._density = FusedDensity(layer.interaction, grid) if has_density(layer.interaction) else None

    @property
    def radial_error(self) -> float:
        """Largest error of a spline's slope so far, by the largest slope."""
        return self._convolution.error

    def source(self) -> str:
        """C++ of the kernels."""
        return self._convolution.source() + self._product.source()

    def bind(self, library: ctypes.CDLL) -> None:
        """Use the compiled kernels; the maps between them are laid out for their width."""
        self._convolution.bind(library)
        self._product.bind(library)
        interaction, dtype, products = self._layer.interaction, self._dtype, self._product.padded
        sums = (self._convolution.channels, self._convolution.padded)
        self._up = BlockMap(library, interaction.up, dtype, padded_out=self._convolution.padded)
        self._message = message_of(library, interaction, dtype, sums, products)
        self._out = BlockMap(library, self._layer.mix, dtype, (self._product.channels, products))
        self._skip: BlockMap | ElementMap | None = None
        if self._layer.keeps_residual and isinstance(interaction, NonlinearResidualInteraction):
            self._skip = BlockMap(library, interaction.skip, dtype)
        elif self._layer.keeps_residual and isinstance(interaction, AgnosticInteraction) and interaction.residual:
            self._skip = ElementMap(library, interaction.skip, dtype)

    def __call__(self, frame: Frame, vector: Tensor, h: Blocks | Table) -> Blocks:
        """Features of the next layer, (n_atoms, 2l+1, channels) by irrep."""
        up = self._constant("up", self._up, h).of(frame) if isinstance(h, Table) else self._up(h)
        features = [up[irrep] for irrep in self._convolution.features]
        sums = self._convolution(frame, vector, features, sloped=not self._first)
        density = None if self._density is None else self._density(frame, vector)
        of_sums = dict(zip(self._convolution.messages, sums, strict=True))
        message = self._message(of_sums, up, density, frame)
        products = self._product(frame, [message[irrep] for irrep in self._product.inputs])
        out = self._out(dict(zip(self._product.outputs, products, strict=True)))
        residual = self._residual(h, frame)
        return {irrep: block + residual[irrep] if irrep in residual else block for irrep, block in out.items()}

    def _constant(self, name: str, of: BlockMap | ElementMap, h: Table) -> Table:
        """A map of a table, which is the same at every call."""
        if name not in self._constants:
            with torch.no_grad():
                self._constants[name] = of.of_table(h)
        return self._constants[name]

    def _residual(self, h: Blocks | Table, frame: Frame) -> Blocks:
        if self._skip is None:
            return {}
        if isinstance(h, Table):
            return self._constant("skip", self._skip, h).of(frame)
        return self._skip(h, frame) if isinstance(self._skip, ElementMap) else self._skip(h)
