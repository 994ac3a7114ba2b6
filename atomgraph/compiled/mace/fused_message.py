"""From an interaction's sums over neighbours to the message that products are taken of, weights folded."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LinearMap
from atomgraph.compiled.linear_forms import FusedForm, LinearForm, Slopes
from atomgraph.compiled.mace.folded_weights import Padding, Weights
from atomgraph.compiled.mace.fused_gate import FusedGate
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction

#: From slopes by a message to those by sums and by the density, (n_atoms,) or None; what sources get is added to theirs.
MessagePullback = Callable[[Tensor, Slopes], tuple[Tensor, Tensor | None]]


class LinearMessage:
    """A linear map, over a mean number of neighbours (folded) or 1 + ρ, and for some interactions a map by element (folded).

    Args:
        library: Of the kernels.
        interaction: In float64.
        sums: Layout of what comes in, and channels of each path that there are and that the kernel has.
        message: Layout of what goes out.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        interaction: AgnosticInteraction,
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
        self, of: Evaluation, sources: Sequence[Tensor], sums: Tensor, density: Tensor | None
    ) -> tuple[Tensor, MessagePullback]:
        """density: ρ, (n_atoms,)."""
        runs = of.by_element if self._map.by_element else of.alike
        message = self._map(runs, sums)
        if density is None:
            return message, lambda slope, slopes: (self._map.back(runs, slope), None)
        message, over = _over(self._map.after, message, density + 1.0)

        def back(slope: Tensor, slopes: Slopes) -> tuple[Tensor, Tensor]:
            slope, by_density = over(slope)
            return self._map.back(runs, slope), by_density

        return message, back


class GatedMessage:
    """A gate of the linear map, over α + βρ, plus what goes past the convolution; and one more linear map.

    Args:
        up: The form of the neighbours' features, and layouts of its sources.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        interaction: NonlinearResidualInteraction,
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
        self, of: Evaluation, sources: Sequence[Tensor], sums: Tensor, density: Tensor | None
    ) -> tuple[Tensor, MessagePullback]:
        """density: ρ, (n_atoms,)."""
        if density is None:
            raise TypeError("a gated message is over a density")
        mixed, over = _over(self._map.after, self._map(of.alike, sums), density * self._beta + self._alpha)
        gated, of_gate = self._gate(mixed + self._past(of, sources))

        def back(slope: Tensor, slopes: Slopes) -> tuple[Tensor, Tensor]:
            by_gated = of_gate(self._last.back(of.alike, slope))
            self._past.back(of, by_gated, slopes)
            by_mixed, by_divisor = over(by_gated)
            return self._map.back(of.alike, by_mixed), by_divisor * self._beta

        return self._last(of.alike, gated), back


def message_of(
    library: ctypes.CDLL,
    interaction: Interaction,
    dtype: torch.dtype,
    sums: tuple[Layout, Padding],
    message: Layout,
    up: tuple[LinearForm, Sequence[Layout]],
) -> LinearMessage | GatedMessage:
    """The message of an interaction that has a fused form."""
    if isinstance(interaction, NonlinearResidualInteraction):
        return GatedMessage(library, interaction, dtype, sums, message, up)
    if isinstance(interaction, AgnosticInteraction):
        return LinearMessage(library, interaction, dtype, sums, message)
    raise TypeError(f"{type(interaction).__name__} has no fused form")


def _over(layout: Layout, x: Tensor, divisor: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """Each atom's features over its divisor, (n_atoms,), and from slopes by that to slopes by both."""
    inverse = divisor.reciprocal()
    y = layout.scaled(x, inverse)
    return y, lambda slope: (layout.scaled(slope, inverse), -layout.product(slope, y) * inverse)


def _width(layout: Layout) -> int:
    """Channels of every irrep, which are equally many."""
    return next(iter(layout.channels.values()))
