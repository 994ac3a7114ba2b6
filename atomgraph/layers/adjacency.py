"""Adjacency: edge weights as a function of distance."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.envelope import checked_envelope, edge_envelope
from atomgraph.nn.part import Part
from atomgraph.old_names import old_names_of


class Adjacency(Part):
    """Edge weights, not negative, zero beyond the cutoff: ``edges -> (n_edges,)`` or ``(n_edges, channels)``.

    Attributes:
        cutoff: Cutoff radius, Å.
        channels: Number of channels with separate weights; None if all channels have the same weights.
    """

    cutoff: float
    channels: int | None
    group = "radial"

    @abstractmethod
    def forward(self, edges: Edges) -> Tensor:
        """Return the weights, (n_edges,) or (n_edges, channels)."""


class Envelope(Adjacency):
    """Cutoff envelope as edge weight, :math:`w_{ij} = f(r_{ij})`, equal for all channels.

    Args:
        cutoff: Cutoff radius, Å.
        envelope: Name of f in ``ops/cutoff.py``. The first two derivatives of ``polynomial`` vanish at the cutoff.

    Raises:
        WiringError: If the envelope is unknown, or the cutoff is not positive.
    """

    def __init__(self, cutoff: float, envelope: str = "polynomial"):
        super().__init__()
        if not cutoff > 0:
            raise WiringError(f"cutoff must be positive, in Å, but is {cutoff}")
        self.cutoff, self.channels, self.envelope = float(cutoff), None, checked_envelope(envelope)

    def forward(self, edges: Edges) -> Tensor:
        """Return the weights, (n_edges,), in [0, 1]."""
        return edge_envelope(edges, self.envelope, self.cutoff)


class GaussianShells(Adjacency):
    r"""Edge weights of Gaussian shells, :math:`w^c_{ij} = f(r_{ij})\, e^{-(r_{ij}-\mu_c)^2/2s_c^2}`, one shell per channel.

    Centres :math:`\mu_c` and standard deviations :math:`s_c` are trained. Their parameters are ``place`` (the centre) and
    ``sharpness`` (the inverse standard deviation). The length unit of both is the initial standard deviation, so that the
    values are of order one.

    Args:
        channels: Number of channels.
        cutoff: Cutoff radius and initial centre of the last shell, Å.
        start: Initial centre of the first shell, Å.

    Raises:
        WiringError: If there are no channels, or the cutoff is not above ``start``.
    """

    def __init__(self, channels: int, cutoff: float, start: float = 1.0):
        super().__init__()
        if channels < 1 or not cutoff > start:
            raise WiringError(
                f"Gaussian shells need channels ≥ 1 and start < cutoff, but have {channels}, {start} Å and {cutoff} Å"
            )
        self.cutoff, self.channels = float(cutoff), channels
        self._unit = (cutoff - start) / 6.0  # initial standard deviation, Å
        self.place = torch.nn.Parameter(torch.linspace(start, cutoff, channels) / self._unit)
        self.sharpness = torch.nn.Parameter(torch.ones(channels))
        self._envelope = Envelope(cutoff)

    def forward(self, edges: Edges) -> Tensor:
        """Return the weights, (n_edges, channels), in [0, 1]."""
        deviation = (edges.length[:, None] / self._unit - self.place) * self.sharpness
        return self._envelope(edges)[:, None] * torch.exp(-0.5 * deviation * deviation)


def resolve_adjacency(channels: int, cutoff: float, adjacency: Adjacency | None) -> Adjacency:
    """Return the adjacency of a layer: the argument after a check, or the cutoff envelope for None.

    Args:
        channels: Number of channels of the layer.
        cutoff: Cutoff radius of the layer, Å.
        adjacency: Adjacency to check; None for the cutoff envelope.

    Raises:
        WiringError: If the adjacency has another number of channels, or a cutoff above that of the layer.
    """
    if adjacency is None:
        return Envelope(cutoff)
    if adjacency.channels not in (None, channels):
        raise WiringError(f"the adjacency has weights for {adjacency.channels} channels, but the layer has {channels}")
    if adjacency.cutoff > cutoff + 1e-12:
        raise WiringError(f"the cutoff of the adjacency, {adjacency.cutoff} Å, is above that of the layer, {cutoff} Å")
    return adjacency


__getattr__ = old_names_of(__name__)
