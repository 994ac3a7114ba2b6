r"""The weighted graph Laplacian as an operator h → L h over the edges, without a dense matrix.

With weights :math:`w_{ij}` on the edges, :math:`(A h)_i = \sum_{j \to i} w_{ij} h_j` and degrees :math:`d_i`:

=================  =======================================  ==========================================================
kind               L                                        meaning
=================  =======================================  ==========================================================
``plain``          D − A                                    sum of differences to the neighbours
``symmetric``      I − D^(−½) A D^(−½)                      symmetric, with eigenvalues in [0, 2]
``random_walk``    I − D^(−1) A                             the difference to the mean of the neighbours
``diffusion``      I − A D^(−1)                             the transpose of the random walk
=================  =======================================  ==========================================================

=================  ====================================================================================================
normalisation
=================  ====================================================================================================
``smooth``         d = 1 + Σ w. Smooth when the last neighbour leaves the cutoff; use it for energies
``self_loop``      d = 1 + Σ w, and each atom is its own neighbour (A + I). Smooth, the form of Kipf and Welling
``bare``           d = Σ w, and 1/d = 0 without neighbours. Jumps when the last neighbour leaves; for reference
=================  ====================================================================================================

The plain Laplacian has no division; its degree is Σ w for all normalisations.
Edges to periodic images count, also those of an atom to its own images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.ops.scatter import sum_to

KINDS = ("plain", "symmetric", "random_walk", "diffusion")
NORMALISATIONS = ("smooth", "self_loop", "bare")


def sum_of_neighbours(h: Tensor, weight: Tensor, centre: Tensor, neighbour: Tensor) -> Tensor:
    r""":math:`(A h)_i = \sum_{j \to i} w_{ij} h_j`.

    Args:
        h: (n_atoms, n_channels).
        weight: (n_edges,), or (n_edges, n_channels) with an adjacency for each channel.
        centre, neighbour: (n_edges,) atom rows.

    Returns:
        (n_atoms, n_channels).
    """
    message = h.index_select(0, neighbour) * (weight[:, None] if weight.ndim == 1 else weight)
    return sum_to(message, centre, len(h))


@dataclass(frozen=True, eq=False)
class Laplacian:
    r"""L as an operator: ``L(h)`` is (n_atoms, n_channels), and :math:`L h = a h - l\, A (r h)` with a, l, r per atom.

    Made by ``laplacian``. ``diagonal`` a, ``left`` l and ``right`` r are (n_atoms, 1 or n_channels), or None for 1.
    """

    weight: Tensor
    centre: Tensor
    neighbour: Tensor
    diagonal: Tensor | None
    left: Tensor | None
    right: Tensor | None

    def __call__(self, h: Tensor) -> Tensor:
        sent = h if self.right is None else self.right * h
        received = sum_of_neighbours(sent, self.weight, self.centre, self.neighbour)
        received = received if self.left is None else self.left * received
        return (h if self.diagonal is None else self.diagonal * h) - received


def laplacian(
    weight: Tensor,
    centre: Tensor,
    neighbour: Tensor,
    n_atoms: int,
    kind: str = "symmetric",
    normalisation: str = "smooth",
) -> Laplacian:
    r"""The Laplacian of a weighted graph, by kind and normalisation as in the tables above.

    Args:
        weight: (n_edges,) not negative, or (n_edges, n_channels).
        centre, neighbour: (n_edges,) atom rows.

    Raises:
        WiringError: For an unknown kind or normalisation.

    Source: Chung, Spectral Graph Theory (1997); Kipf and Welling, ICLR 2017 (``self_loop``).
    """
    check_laplacian(kind, normalisation)
    total = sum_to(weight[:, None] if weight.ndim == 1 else weight, centre, n_atoms)
    if kind == "plain":
        return Laplacian(weight, centre, neighbour, diagonal=total, left=None, right=None)
    inverse = _inverse_degree(total, normalisation)
    half = inverse.sqrt() if normalisation != "bare" else _root(inverse)
    return Laplacian(
        weight,
        centre,
        neighbour,
        diagonal=1.0 - inverse if normalisation == "self_loop" else None,
        left={"symmetric": half, "random_walk": inverse}.get(kind),
        right={"symmetric": half, "diffusion": inverse}.get(kind),
    )


def mean_of_neighbours(
    h: Tensor, weight: Tensor, centre: Tensor, neighbour: Tensor, normalisation: str = "smooth"
) -> Tensor:
    r""":math:`\bar h_i = \sum_{j \to i} w_{ij} h_j / d_i`: the mean in the random-walk Laplacian, :math:`L h = h - \bar h`.

    With ``self_loop`` the mean includes the atom itself. Arguments as for ``laplacian``.

    Returns:
        (n_atoms, n_channels).
    """
    check_laplacian("random_walk", normalisation)
    total = sum_to(weight[:, None] if weight.ndim == 1 else weight, centre, len(h))
    received = sum_of_neighbours(h, weight, centre, neighbour)
    if normalisation == "self_loop":
        received = received + h
    return _inverse_degree(total, normalisation) * received


def check_laplacian(kind: str, normalisation: str) -> None:
    """WiringError with the nearest known word for an unknown kind or normalisation."""
    if kind not in KINDS:
        raise WiringError(f"unknown Laplacian {kind!r}{nearest(str(kind), KINDS)}")
    if normalisation not in NORMALISATIONS:
        raise WiringError(f"unknown normalisation {normalisation!r}{nearest(str(normalisation), NORMALISATIONS)}")


def _inverse_degree(total: Tensor, normalisation: str) -> Tensor:
    """1/d, and 0 if the bare degree is 0; derivatives are finite in both cases."""
    if normalisation != "bare":
        return 1.0 / (1.0 + total)
    isolated = total == 0
    return torch.where(isolated, 0.0, 1.0 / torch.where(isolated, 1.0, total))


def _root(inverse: Tensor) -> Tensor:
    isolated = inverse == 0
    return torch.where(isolated, 0.0, torch.where(isolated, 1.0, inverse).sqrt())
