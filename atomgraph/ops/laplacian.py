r"""Weighted graph Laplacian as an operator h → L h over the edges, without a dense matrix.

With weights :math:`w_{ij}` on the edges, :math:`(A h)_i = \sum_{j \to i} w_{ij} h_j` and degrees :math:`d_i`:

=================  =======================================  ==========================================================
kind               L                                        meaning
=================  =======================================  ==========================================================
``plain``          D − A                                    sum of differences to the neighbours
``symmetric``      I − D^(−½) A D^(−½)                      symmetric, with eigenvalues in [0, 2]
``random_walk``    I − D^(−1) A                             the difference to the mean of the neighbours
``diffusion``      I − A D^(−1)                             the transpose of ``random_walk``
=================  =======================================  ==========================================================

=================  ====================================================================================================
normalisation
=================  ====================================================================================================
``smooth``         d = 1 + Σ w. Smooth when the last neighbour leaves the cutoff sphere; use this one for energies
``self_loop``      d = 1 + Σ w, and each atom is its own neighbour (A + I). Smooth; the form of Kipf and Welling
``bare``           d = Σ w, and 1/d = 0 without neighbours. Jumps when the last neighbour leaves the cutoff sphere
=================  ====================================================================================================

The plain Laplacian has no division; its degree is Σ w for all normalisations.
Edges to periodic images count, including edges from an atom to its own images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.errors import check_name
from atomgraph.ops.scatter import sum_to

KINDS = ("plain", "symmetric", "random_walk", "diffusion")
NORMALISATIONS = ("smooth", "self_loop", "bare")


def sum_of_neighbours(h: Tensor, weight: Tensor, centre: Tensor, neighbour: Tensor) -> Tensor:
    r"""Compute :math:`(A h)_i = \sum_{j \to i} w_{ij} h_j`.

    Args:
        h: Features, (n_atoms, n_channels).
        weight: Weights w of the edges, (n_edges,), or (n_edges, n_channels) for an adjacency per channel.
        centre: Row of the central atom of each edge, (n_edges,).
        neighbour: Row of the neighbouring atom of each edge, (n_edges,).

    Returns:
        Weighted sums, (n_atoms, n_channels).
    """
    message = h.index_select(0, neighbour) * (weight[:, None] if weight.ndim == 1 else weight)
    return sum_to(message, centre, len(h))


@dataclass(frozen=True, eq=False)
class Laplacian:
    r"""Laplacian as an operator: :math:`L h = a h - l\, A (r h)` with factors a, l, r per atom.

    The function ``laplacian`` makes this operator.

    Attributes:
        weight: Weights w of the edges, (n_edges,) or (n_edges, n_channels).
        centre: Row of the central atom of each edge, (n_edges,).
        neighbour: Row of the neighbouring atom of each edge, (n_edges,).
        diagonal: Factors a, (n_atoms, 1 or n_channels), or None for 1.
        left: Factors l, (n_atoms, 1 or n_channels), or None for 1.
        right: Factors r, (n_atoms, 1 or n_channels), or None for 1.
    """

    weight: Tensor
    centre: Tensor
    neighbour: Tensor
    diagonal: Tensor | None
    left: Tensor | None
    right: Tensor | None

    def __call__(self, h: Tensor) -> Tensor:
        """Apply the operator to features h, (n_atoms, n_channels), of the same shape as the result."""
        scaled = h if self.right is None else self.right * h
        neighbour_sum = sum_of_neighbours(scaled, self.weight, self.centre, self.neighbour)
        neighbour_sum = neighbour_sum if self.left is None else self.left * neighbour_sum
        return (h if self.diagonal is None else self.diagonal * h) - neighbour_sum


def laplacian(
    weight: Tensor,
    centre: Tensor,
    neighbour: Tensor,
    n_atoms: int,
    kind: str = "symmetric",
    normalisation: str = "smooth",
) -> Laplacian:
    r"""Make the Laplacian of a weighted graph.

    Args:
        weight: Weights w of the edges, not negative, (n_edges,) or (n_edges, n_channels).
        centre: Row of the central atom of each edge, (n_edges,).
        neighbour: Row of the neighbouring atom of each edge, (n_edges,).
        n_atoms: Number of atoms.
        kind: Kind of the Laplacian, from the first table of this module.
        normalisation: Definition of the degree, from the second table of this module.

    Raises:
        WiringError: For an unknown kind or normalisation.

    Source: Chung, Spectral Graph Theory (1997); Kipf and Welling, ICLR 2017 (``self_loop``).
    """
    check_laplacian(kind, normalisation)
    total = sum_to(weight[:, None] if weight.ndim == 1 else weight, centre, n_atoms)
    if kind == "plain":
        return Laplacian(weight, centre, neighbour, diagonal=total, left=None, right=None)
    inverse = _inverse_degree(total, normalisation)
    root = inverse.sqrt() if normalisation != "bare" else _safe_root(inverse)
    return Laplacian(
        weight,
        centre,
        neighbour,
        diagonal=1.0 - inverse if normalisation == "self_loop" else None,
        left={"symmetric": root, "random_walk": inverse}.get(kind),
        right={"symmetric": root, "diffusion": inverse}.get(kind),
    )


def mean_of_neighbours(
    h: Tensor, weight: Tensor, centre: Tensor, neighbour: Tensor, normalisation: str = "smooth"
) -> Tensor:
    r"""Compute the mean :math:`\bar h_i = \sum_{j \to i} w_{ij} h_j / d_i`; the random-walk Laplacian is :math:`h - \bar h`.

    With ``self_loop`` the mean includes the atom itself.

    Args:
        h: Features, (n_atoms, n_channels).
        weight: Weights w of the edges, not negative, (n_edges,) or (n_edges, n_channels).
        centre: Row of the central atom of each edge, (n_edges,).
        neighbour: Row of the neighbouring atom of each edge, (n_edges,).
        normalisation: Definition of the degree d, from the second table of this module.

    Returns:
        Means, (n_atoms, n_channels).
    """
    check_laplacian("random_walk", normalisation)
    total = sum_to(weight[:, None] if weight.ndim == 1 else weight, centre, len(h))
    neighbour_sum = sum_of_neighbours(h, weight, centre, neighbour)
    if normalisation == "self_loop":
        neighbour_sum = neighbour_sum + h
    return _inverse_degree(total, normalisation) * neighbour_sum


def check_laplacian(kind: str, normalisation: str) -> None:
    """Raise a WiringError for an unknown kind or normalisation, with the most similar valid name."""
    check_name("Laplacian", kind, KINDS)
    check_name("normalisation", normalisation, NORMALISATIONS)


def _inverse_degree(total: Tensor, normalisation: str) -> Tensor:
    """Return 1/d, (n_atoms, 1 or n_channels), and 0 if the bare degree is 0; derivatives are finite in both cases."""
    if normalisation != "bare":
        return 1.0 / (1.0 + total)
    is_isolated = total == 0
    return torch.where(is_isolated, 0.0, 1.0 / torch.where(is_isolated, 1.0, total))


def _safe_root(inverse: Tensor) -> Tensor:
    """Return the square root, with a derivative of 0 at 0; the shape is that of the input."""
    is_isolated = inverse == 0
    return torch.where(is_isolated, 0.0, torch.where(is_isolated, 1.0, inverse).sqrt())
