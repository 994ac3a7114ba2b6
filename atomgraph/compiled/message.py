"""From an interaction's sums over neighbours to the message that products are taken of, weights folded."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from atomgraph.compiled.frame import Frame
from atomgraph.compiled.maps import BlockMap, ElementMap, Padding
from atomgraph.layers.mace.elements import AgnosticInteraction
from atomgraph.layers.mace.interaction import Interaction, over
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.blocks import Blocks


class LinearMessage:
    """A linear map, over a mean number of neighbours (folded) or 1 + ρ, and for some interactions a map by element.

    library: of the kernels.  interaction: in float64.  sums, message: channels that there are, and that the kernels have.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        interaction: AgnosticInteraction,
        dtype: torch.dtype,
        sums: Padding,
        message: int,
    ):
        scale = 1.0 if interaction.by_density else 1.0 / float(interaction.neighbours())
        self._select = None
        if interaction.residual:
            self._mix = BlockMap(library, interaction.mix, dtype, sums, message, scale)
        else:
            self._mix = BlockMap(library, interaction.mix, dtype, sums, scale=scale)
            self._select = ElementMap(library, interaction.select, dtype, message)

    def __call__(self, sums: Blocks, up: Blocks, density: Tensor | None, frame: Frame) -> Blocks:
        """(n_atoms, 2l+1, channels) by irrep.  density: ρ, (n_atoms, 1)."""
        message = self._mix(sums)
        if density is not None:
            message = over(message, density + 1.0)
        return message if self._select is None else self._select(message, frame)


class GatedMessage:
    """A gate of the linear map, over α + βρ, plus what goes past the convolution; and one more linear map."""

    def __init__(
        self,
        library: ctypes.CDLL,
        interaction: NonlinearResidualInteraction,
        dtype: torch.dtype,
        sums: Padding,
        message: int,
    ):
        self._mix = BlockMap(library, interaction.mix, dtype, sums)
        self._past = BlockMap(library, interaction.past, dtype, sums)
        self._gate = interaction.gate
        self._last = BlockMap(library, interaction.last, dtype, padded_out=message)
        self._alpha, self._beta = float(interaction.alpha), float(interaction.beta)

    def __call__(self, sums: Blocks, up: Blocks, density: Tensor | None, frame: Frame) -> Blocks:
        """(n_atoms, 2l+1, channels) by irrep.  density: ρ, (n_atoms, 1)."""
        message, past = self._mix(sums), self._past(up)
        if density is not None:
            message = over(message, density * self._beta + self._alpha)
        return self._last(self._gate({irrep: block + past[irrep] for irrep, block in message.items()}))


def message_of(
    library: ctypes.CDLL, interaction: Interaction, dtype: torch.dtype, sums: Padding, message: int
) -> LinearMessage | GatedMessage:
    """The message of an interaction that has a fused form."""
    if isinstance(interaction, NonlinearResidualInteraction):
        return GatedMessage(library, interaction, dtype, sums, message)
    if isinstance(interaction, AgnosticInteraction):
        return LinearMessage(library, interaction, dtype, sums, message)
    raise TypeError(f"{type(interaction).__name__} has no fused form")
