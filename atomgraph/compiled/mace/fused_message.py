"""The message of a frozen interaction from its sums over neighbours; matrices of consecutive linear maps are merged."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.folded_weights import Padding, Weights
from atomgraph.compiled.fused_gate import FusedGate
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LinearMap
from atomgraph.compiled.linear_forms import FusedForm, Gradients, LinearForm
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction

#: Function of the gradient with respect to the message, and of the list of gradients with respect to layer arrays, which it
#: accumulates. It returns the gradients with respect to the sums and to the density, (n_atoms,); None without density.
MessagePullback = Callable[[Tensor, Gradients], tuple[Tensor, Tensor | None]]


class LinearMessage:
    """A linear map of the sums, divided by the mean number of neighbours or by 1 + ρ, with the density ρ.

    Some interactions apply a second map, which depends on the element. The matrices of both maps are multiplied.

    Args:
        interaction: The interaction, in float64.
        library: The compiled kernels.
        dtype: Dtype of the kernels.
        sums_layout: Layout of the sums, and their numbers of channels before and after padding.
        message_layout: Layout of the message.
    """

    def __init__(
        self,
        interaction: AgnosticInteraction,
        library: ctypes.CDLL,
        dtype: torch.dtype,
        sums_layout: tuple[Layout, Padding],
        message_layout: Layout,
    ):
        weights = Weights.from_linear(
            interaction.mix, 1.0 if interaction.by_density else 1.0 / float(interaction.neighbours())
        )
        if not interaction.residual:  # then a second map, interaction.select, has one matrix for each element
            weights = weights.then(Weights.from_element_linear(interaction.select))
        layout, padding = sums_layout
        self._map = LinearMap(library, layout, message_layout, weights.pad(padding, _n_channels(message_layout)), dtype)

    def __call__(
        self, evaluation: Evaluation, layer_arrays: Sequence[Tensor], sums: Tensor, density: Tensor | None
    ) -> tuple[Tensor, MessagePullback]:
        """Return the message and its vector-Jacobian product, from the sums and the density ρ, (n_atoms,)."""
        runs = evaluation.by_element if self._map.by_element else evaluation.all_atoms
        message = self._map(runs, sums)
        if density is None:
            return message, lambda grad, grads: (self._map.vjp(runs, grad), None)
        message, division_vjp = _divide(self._map.output_layout, message, density + 1.0)

        def vjp(grad: Tensor, grads: Gradients) -> tuple[Tensor, Tensor]:
            grad, grad_density = division_vjp(grad)
            return self._map.vjp(runs, grad), grad_density

        return message, vjp


class GatedMessage:
    """A gate between two linear maps.

    The output of the first map is divided by α + βρ. A linear map of the features is added. The sum is the gate's input.

    Args:
        interaction: The interaction, in float64.
        library: The compiled kernels.
        dtype: Dtype of the kernels.
        sums_layout: Layout of the sums, and their numbers of channels before and after padding.
        message_layout: Layout of the message.
        up: Linear form of the features after the map ``interaction.up``, and layouts of its layer arrays.
    """

    def __init__(
        self,
        interaction: NonlinearResidualInteraction,
        library: ctypes.CDLL,
        dtype: torch.dtype,
        sums_layout: tuple[Layout, Padding],
        message_layout: Layout,
        up: tuple[LinearForm, Sequence[Layout]],
    ):
        form, layouts = up
        self._gate = FusedGate(interaction.gate)
        # Linear maps of the interaction: ``mix`` of the sums, ``past`` of the features, ``last`` of the output of the gate
        gate_input = self._gate.input_layout
        layout, padding = sums_layout
        self._map = LinearMap(library, layout, gate_input, Weights.from_linear(interaction.mix).pad(padding), dtype)
        self._residual = FusedForm(
            library, form.then(Weights.from_linear(interaction.past)), layouts, gate_input, dtype
        )
        last = Weights.from_linear(interaction.last).pad(n_columns=_n_channels(message_layout))
        self._last = LinearMap(library, self._gate.output_layout, message_layout, last, dtype)
        self._alpha, self._beta = float(interaction.alpha), float(interaction.beta)

    def __call__(
        self, evaluation: Evaluation, layer_arrays: Sequence[Tensor], sums: Tensor, density: Tensor | None
    ) -> tuple[Tensor, MessagePullback]:
        """Return the message and its vector-Jacobian product, from the sums and the density ρ, (n_atoms,)."""
        if density is None:
            raise TypeError("a gated message needs a density")
        mixed, division_vjp = _divide(
            self._map.output_layout, self._map(evaluation.all_atoms, sums), density * self._beta + self._alpha
        )
        gated, gate_vjp = self._gate(mixed + self._residual(evaluation, layer_arrays))

        def vjp(grad: Tensor, grads: Gradients) -> tuple[Tensor, Tensor]:
            grad_gated = gate_vjp(self._last.vjp(evaluation.all_atoms, grad))
            self._residual.vjp(evaluation, grad_gated, grads)
            grad_mixed, grad_divisor = division_vjp(grad_gated)
            return self._map.vjp(evaluation.all_atoms, grad_mixed), grad_divisor * self._beta

        return self._last(evaluation.all_atoms, gated), vjp


@singledispatch
def fused_message(
    interaction: Interaction,
    library: ctypes.CDLL,
    dtype: torch.dtype,
    sums_layout: tuple[Layout, Padding],
    message_layout: Layout,
    up: tuple[LinearForm, Sequence[Layout]],
) -> LinearMessage | GatedMessage:
    """Return the fused message of an interaction."""
    raise TypeError(f"kernels do not support the interaction {type(interaction).__name__}")


@fused_message.register
def _(interaction: NonlinearResidualInteraction, *arguments: Any) -> GatedMessage:
    return GatedMessage(interaction, *arguments)


@fused_message.register
def _(interaction: AgnosticInteraction, *arguments: Any) -> LinearMessage:
    *message_arguments, _ = arguments  # the features ``up`` are not used
    return LinearMessage(interaction, *message_arguments)


def _divide(layout: Layout, x: Tensor, divisor: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """Return the features of each atom divided by its divisor, (n_atoms,), and the VJP with respect to features and divisor."""
    inverse = divisor.reciprocal()
    y = layout.scale(x, inverse)
    return y, lambda grad: (layout.scale(grad, inverse), -layout.product(grad, y) * inverse)


def _n_channels(layout: Layout) -> int:
    """Return the number of channels, which is equal for all irreps."""
    return next(iter(layout.channels.values()))
