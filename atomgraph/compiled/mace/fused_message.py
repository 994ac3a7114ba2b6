"""The message of an interaction from its sums over neighbours, with folded weights."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LinearMap
from atomgraph.compiled.linear_forms import FusedForm, Gradients, LinearForm
from atomgraph.compiled.mace.folded_weights import Padding, Weights
from atomgraph.compiled.mace.fused_gate import FusedGate
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction

#: Gradients with respect to sums and density, (n_atoms,) or None, from that by a message; those by sources are added in place.
MessagePullback = Callable[[Tensor, Gradients], tuple[Tensor, Tensor | None]]


class LinearMessage:
    """A linear map, divided by the mean number of neighbours or 1 + ρ; some interactions add a map by element. All are folded.

    Args:
        interaction: In float64.
        library: The kernels.
        dtype: Of the kernels.
        sums: Layout of the sums, and their channels without and with padding.
        message: Layout of the message.
    """

    def __init__(
        self,
        interaction: AgnosticInteraction,
        library: ctypes.CDLL,
        dtype: torch.dtype,
        sums: tuple[Layout, Padding],
        message: Layout,
    ):
        weights = Weights.of_linear(
            interaction.mix, 1.0 if interaction.by_density else 1.0 / float(interaction.neighbours())
        )
        if not interaction.residual:
            weights = weights.then(Weights.of_element_linear(interaction.select))
        layout, padding = sums
        self._map = LinearMap(library, layout, message, weights.padded(padding, _width(message)), dtype)

    def __call__(
        self, run: Evaluation, sources: Sequence[Tensor], sums: Tensor, density: Tensor | None
    ) -> tuple[Tensor, MessagePullback]:
        """The message, and its VJP, from sums and density ρ, (n_atoms,)."""
        runs = run.by_element if self._map.by_element else run.alike
        message = self._map(runs, sums)
        if density is None:
            return message, lambda grad, grads: (self._map.vjp(runs, grad), None)
        message, division_vjp = _divided(self._map.after, message, density + 1.0)

        def vjp(grad: Tensor, grads: Gradients) -> tuple[Tensor, Tensor]:
            grad, grad_density = division_vjp(grad)
            return self._map.vjp(runs, grad), grad_density

        return message, vjp


class GatedMessage:
    """A gate between two linear maps, with division by α + βρ and a residual map of the neighbours' features.

    Args:
        up: The form of the neighbours' features, and layouts of its sources. The others as for ``LinearMessage``.
    """

    def __init__(
        self,
        interaction: NonlinearResidualInteraction,
        library: ctypes.CDLL,
        dtype: torch.dtype,
        sums: tuple[Layout, Padding],
        message: Layout,
        up: tuple[LinearForm, Sequence[Layout]],
    ):
        form, sources = up
        self._gate = FusedGate(interaction.gate)
        before = self._gate.before
        layout, padding = sums
        self._map = LinearMap(library, layout, before, Weights.of_linear(interaction.mix).padded(padding), dtype)
        self._past = FusedForm(library, form.then(Weights.of_linear(interaction.past)), sources, before, dtype)
        last = Weights.of_linear(interaction.last).padded(after=_width(message))
        self._last = LinearMap(library, self._gate.after, message, last, dtype)
        self._alpha, self._beta = float(interaction.alpha), float(interaction.beta)

    def __call__(
        self, run: Evaluation, sources: Sequence[Tensor], sums: Tensor, density: Tensor | None
    ) -> tuple[Tensor, MessagePullback]:
        """The message, and its VJP, from sums and density ρ, (n_atoms,)."""
        if density is None:
            raise TypeError("a gated message needs a density")
        mixed, division_vjp = _divided(self._map.after, self._map(run.alike, sums), density * self._beta + self._alpha)
        gated, gate_vjp = self._gate(mixed + self._past(run, sources))

        def vjp(grad: Tensor, grads: Gradients) -> tuple[Tensor, Tensor]:
            grad_gated = gate_vjp(self._last.vjp(run.alike, grad))
            self._past.vjp(run, grad_gated, grads)
            grad_mixed, grad_divisor = division_vjp(grad_gated)
            return self._map.vjp(run.alike, grad_mixed), grad_divisor * self._beta

        return self._last(run.alike, gated), vjp


@singledispatch
def fused_message(
    interaction: Interaction,
    library: ctypes.CDLL,
    dtype: torch.dtype,
    sums: tuple[Layout, Padding],
    message: Layout,
    up: tuple[LinearForm, Sequence[Layout]],
) -> LinearMessage | GatedMessage:
    """The fused message of an interaction."""
    raise TypeError(f"{type(interaction).__name__} has no fused form")


@fused_message.register
def _(interaction: NonlinearResidualInteraction, *arguments: Any) -> GatedMessage:
    return GatedMessage(interaction, *arguments)


@fused_message.register
def _(interaction: AgnosticInteraction, *arguments: Any) -> LinearMessage:
    *without_up, _ = arguments  # the neighbours' features do not enter
    return LinearMessage(interaction, *without_up)


def _divided(layout: Layout, x: Tensor, divisor: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """The features of each atom divided by a number, (n_atoms,), and the VJP with respect to both."""
    inverse = divisor.reciprocal()
    y = layout.scaled(x, inverse)
    return y, lambda grad: (layout.scaled(grad, inverse), -layout.product(grad, y) * inverse)


def _width(layout: Layout) -> int:
    """The number of channels, which is equal for all irreps."""
    return next(iter(layout.channels.values()))
