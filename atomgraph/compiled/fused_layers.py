"""Interface of frozen layers that are evaluated by kernels. The file of each fused layer registers the class of its layer."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import singledispatch

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import Gradients, LinearForm
from atomgraph.compiled.radial_tables import Grid

#: Function of a list with the gradient with respect to each layer array (see ``FusedLayer``). It removes the last gradient,
#: accumulates gradients with respect to earlier layer arrays, and returns the gradient with respect to edge vectors,
#: (n_edges, 3). It returns None if the removed gradient is None.
LayerPullback = Callable[[Gradients], Tensor | None]


class FusedLayer(ABC):
    """A layer with frozen weights, which writes one array to memory, the layer array.

    The output features of the layer are a linear form of layer arrays (``LinearForm``): each later part multiplies a layer
    array by one matrix.
    """

    @property
    @abstractmethod
    def radial_error(self) -> float:
        """Largest relative error of the derivative of a radial weight; 0 before the first evaluation."""

    @property
    @abstractmethod
    def n_products(self) -> int:
        """Number of products per atom or edge, summed over channels; it decides the size of structures for checks."""

    @abstractmethod
    def kernel_sources(self) -> dict[str, str]:
        """Return the C++ code of the kernels, by name; equal layers have equal kernels."""

    @abstractmethod
    def bind(self, library: ctypes.CDLL, h: LinearForm, layouts: list[Layout], is_last: bool) -> LinearForm:
        """Look up the compiled kernels, and merge the linear maps between them.

        Numbers of channels are padded to multiples of the SIMD width.

        Args:
            library: The compiled kernels.
            h: Linear form of the input features.
            layouts: Layouts of all earlier layer arrays; the layout of the array of this layer is appended.
            is_last: Whether this layer is the last one.

        Returns:
            Linear form of the output features.
        """

    @abstractmethod
    def __call__(self, evaluation: Evaluation, layer_arrays: list[Tensor]) -> LayerPullback:
        """Compute the array of the layer, and append it to the arrays of the earlier layers.

        Returns:
            The vector-Jacobian product of the layer, see ``LayerPullback``.
        """


@singledispatch
def fuse_layer(layer: object, grid: Grid, dtype: torch.dtype) -> FusedLayer:
    """Return the fused form of a layer.

    Args:
        layer: The layer, in float64.
        grid: Initial grid of the radial tables.
        dtype: Dtype of the kernels.
    """
    raise TypeError(f"kernels do not support the layer {type(layer).__name__}")
