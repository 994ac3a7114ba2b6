"""Coupled sum over neighbours: features times weights times harmonics, coupled along one path of a convolution."""

from __future__ import annotations

from torch import Tensor


def coupled_sum(h: Tensor, weight: Tensor, harmonics: Tensor, coupling: Tensor | None = None) -> Tensor:
    r"""Compute :math:`A_{c m_3} = \sum_e w_{ec} \sum_{m_1 m_2} C_{m_2 m_1 m_3}\, h_{e c m_1} Y_{e m_2}` for blocks of edges e.

    C and Y give a small matrix for each edge. A block is then one matrix product, so no array of size
    edges · channels · (2l₃+1) is written.

    Args:
        h: Features of the neighbours, (n_blocks, block_size, 2l₁+1, channels).
        weight: Radial weights w, (n_blocks, block_size, channels).
        harmonics: Spherical harmonics Y, (n_blocks, block_size, 2l₂+1), zeros for missing edges of a block.
        coupling: Coupling C, (2l₂+1, (2l₁+1)·(2l₃+1)); None if l₁ = 0 and C is the unit matrix.

    Returns:
        Sums A, (n_blocks, 2l₃+1, channels).
    """
    if coupling is None:
        return harmonics.transpose(1, 2) @ (h[:, :, 0] * weight)
    dim = h.shape[2]
    matrix = (harmonics @ coupling).unflatten(2, (dim, -1)).flatten(1, 2)  # (n_blocks, block_size·(2l₁+1), 2l₃+1)
    return matrix.transpose(1, 2) @ (h * weight[:, :, None]).flatten(1, 2)
