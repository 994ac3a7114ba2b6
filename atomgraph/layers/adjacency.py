"""Adjacency: how strongly two atoms are connected, as a function of their distance."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.envelope import checked_envelope, envelope_of
from atomgraph.nn.part import Part
from atomgraph.old_names import old_names_of


class Adjacency(Part):
    """Weights of the edges, not negative and zero from the cutoff on: ``edges -> (n_edges,)`` or ``(n_edges, channels)``.

    Args:
        cutoff: Å.
        channels: None where all channels share the weights, else how many have weights of their own.
    """

    cutoff: float
    channels: int | None
    group = "radial"

    @abstractmethod
    def forward(self, edges: Edges) -> Tensor: ...


class Envelope(Adjacency):
    """The cutoff envelope itself, :math:`w_{ij} = f(r_{ij})`, the same for all channels.

    Args:
        cutoff: Å.
        envelope: F by its name in ``ops/cutoff.py``; ``polynomial`` has two flat derivatives at the cutoff.

    Raises:
        WiringError: For another envelope or a cutoff that is not positive.
    """

    def __init__(self, cutoff: float, envelope: str = "polynomial"):
        super().__init__()
        if not cutoff > 0:
            raise WiringError(f"cutoff must be positive, in Å, but is {cutoff}")
        self.cutoff, self.channels, self.envelope = float(cutoff), None, checked_envelope(envelope)

    def forward(self, edges: Edges) -> Tensor:
        """(n_edges,) in [0, 1]."""
        return envelope_of(edges, self.envelope, self.cutoff)


class GaussianShells(Adjacency):
    r"""For each channel a shell of distances, :math:`w^c_{ij} = f(r_{ij})\, e^{-(r_{ij}-\mu_c)^2/2s_c^2}`, both learned.

    Place and width are kept in units of the first width, so that they learn as fast as other weights.

    Args:
        channels: How many.
        cutoff: Å.
        start: Where the first shell lies, Å; the last lies at the cutoff.

    Raises:
        WiringError: For no channels or a cutoff that is not above ``start``.
    """

    def __init__(self, channels: int, cutoff: float, start: float = 1.0):
        super().__init__()
        if channels < 1 or not cutoff > start:
            raise WiringError(f"{channels} shells between {start} Å and the cutoff of {cutoff} Å cannot be made")
        self.cutoff, self.channels = float(cutoff), channels
        self._width = (cutoff - start) / 6.0
        self.place = torch.nn.Parameter(torch.linspace(start, cutoff, channels) / self._width)
        self.sharpness = torch.nn.Parameter(torch.ones(channels))
        self._envelope = Envelope(cutoff)

    def forward(self, edges: Edges) -> Tensor:
        """(n_edges, channels) in [0, 1]."""
        away = (edges.length[:, None] / self._width - self.place) * self.sharpness
        return self._envelope(edges)[:, None] * torch.exp(-0.5 * away * away)


def adjacency_for(channels: int, cutoff: float, adjacency: Adjacency | None) -> Adjacency:
    """The adjacency of a layer: the one given, if it fits the layer's channels and cutoff, else the envelope.

    Raises:
        WiringError: For weights of another number of channels, or an adjacency that reaches beyond the cutoff.
    """
    if adjacency is None:
        return Envelope(cutoff)
    if adjacency.channels not in (None, channels):
        raise WiringError(f"the adjacency has weights for {adjacency.channels} channels, the layer has {channels}")
    if adjacency.cutoff > cutoff + 1e-12:
        raise WiringError(f"the adjacency reaches {adjacency.cutoff} Å, beyond the layer's cutoff of {cutoff} Å")
    return adjacency


__getattr__ = old_names_of(__name__)
