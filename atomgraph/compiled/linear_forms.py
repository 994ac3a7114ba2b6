"""Linear forms: features as linear functions of layer arrays. The features themselves are not stored in memory.

A layer array is the array that a layer of the model writes to memory (see ``mace.fused_layer.FusedLayer``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.folded_weights import Weights
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LinearMap

EVEN = o3.Irrep(0, 1)  # 0e: scalars of even parity
Gradients = list[Tensor | None]  # gradient of the energy with respect to each layer array; None: zero so far


@dataclass(frozen=True, eq=False)
class LinearForm:
    r""":math:`h_i = \sum_k x_{ki} W^{(k)}_{z_i} + T_{z_i}` of layer arrays :math:`x_k`.

    z_i is the element of atom i. The matrices of consecutive linear maps are multiplied to one matrix.

    Attributes:
        terms: Pairs (k, W): the index k of a layer array, and its matrices W.
        table: T, the constant of each element for the irrep ``0e``, (n_elements, channels) float64; None: no constant.
    """

    terms: tuple[tuple[int, Weights], ...] = ()
    table: Tensor | None = None

    def then(self, weights: Weights) -> LinearForm:
        """Return the linear form of h W, for further matrices W."""
        terms = tuple((k, matrices.then(weights)) for k, matrices in self.terms)
        if self.table is None or EVEN not in weights.shapes:
            return LinearForm(terms)
        rows = [row @ weights.matrix(EVEN, z) for z, row in enumerate(self.table)]
        return LinearForm(terms, torch.stack(rows))

    def plus(self, addend: LinearForm) -> LinearForm:
        """Return the sum of two forms."""
        tables = [form.table for form in (self, addend) if form.table is not None]
        return LinearForm(self.terms + addend.terms, torch.stack(tables).sum(0) if tables else None)


class FusedForm:
    """Evaluation of a linear form, and of gradients with respect to its layer arrays.

    Args:
        library: The compiled kernels.
        form: The linear form.
        layouts: Layouts of the layer arrays.
        output_layout: Layout of the values; irreps that are missing in the form are zero.
        dtype: Dtype of the kernels.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        form: LinearForm,
        layouts: Sequence[Layout],
        output_layout: Layout,
        dtype: torch.dtype,
    ):
        self._maps = [(k, LinearMap(library, layouts[k], output_layout, weights, dtype)) for k, weights in form.terms]
        self._table = None if form.table is None else form.table.to(dtype)
        self._output_layout = output_layout

    @property
    def is_constant(self) -> bool:
        """Whether the values depend on elements only."""
        return not self._maps

    def __call__(self, evaluation: Evaluation, layer_arrays: Sequence[Tensor]) -> Tensor:
        """Return the values, in ``output_layout``."""
        y = None
        if self._table is not None or self.is_constant:
            y = self._output_layout.zeros(evaluation.kernel_graph.n_atoms, evaluation.dtype)
        if self._table is not None and y is not None:
            self._output_layout.block(y, EVEN)[:, 0] = self._table.index_select(0, evaluation.kernel_graph.element)
        for k, linear in self._maps:
            y = linear(evaluation.by_element if linear.by_element else evaluation.all_atoms, layer_arrays[k], y)
        return y  # type: ignore[return-value]

    def vjp(self, evaluation: Evaluation, grad: Tensor, grads: Gradients) -> None:
        """Add the gradients with respect to the layer arrays to ``grads``, from the gradient with respect to the values."""
        for k, linear in self._maps:
            grads[k] = linear.vjp(evaluation.by_element if linear.by_element else evaluation.all_atoms, grad, grads[k])
