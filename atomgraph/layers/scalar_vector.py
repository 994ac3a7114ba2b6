"""Features of PaiNN: equal numbers of invariant scalars and of vectors per atom."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.irreps import as_irreps

SCALAR, VECTOR = o3.Irrep("0e"), o3.Irrep("1o")


def scalar_vector_irreps(channels: int, with_vectors: bool = True) -> o3.Irreps:
    """Return the irreps of K scalars, or of K scalars and K vectors.

    Args:
        channels: Number K.
        with_vectors: Whether there are vectors.
    """
    return o3.Irreps(f"{channels}x0e+{channels}x1o" if with_vectors else f"{channels}x0e")


def scalar_vector_channels(irreps: o3.Irreps | str | int, part: str) -> tuple[int, bool]:
    """Return the number K of scalars, and whether there are K vectors.

    Args:
        irreps: Irreps ``Kx0e`` or ``Kx0e+Kx1o``, or a number of scalars.
        part: Name of the part, for the error message.

    Raises:
        WiringError: If there are other irreps.
    """
    features = as_irreps(irreps)
    channels = features.count(SCALAR)
    for with_vectors in (False, True):
        if channels and features == scalar_vector_irreps(channels, with_vectors):
            return channels, with_vectors
    raise WiringError(
        f"a {part} reads n scalars, or n scalars and n vectors, such as 8x0e+8x1o, but was given {features}"
    )


def split_scalars_and_vectors(h: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Split features ``Kx0e+Kx1o`` into scalars and vectors.

    Args:
        h: Features, (n_atoms, 4K).
        channels: Number K.

    Returns:
        Scalars, (n_atoms, K), and vectors, (n_atoms, 3, K).
    """
    return h[:, :channels], h[:, channels:].reshape(len(h), channels, 3).transpose(1, 2)


def join_scalars_and_vectors(scalars: Tensor, vectors: Tensor) -> Tensor:
    """Join scalars, (n_atoms, K), and vectors, (n_atoms, 3, K), to features ``Kx0e+Kx1o``, (n_atoms, 4K)."""
    return torch.cat([scalars, vectors.transpose(1, 2).flatten(1)], dim=1)
