"""Sums over neighbours of tabulated functions of the distance, one for each pair of kinds."""

from __future__ import annotations

from torch import Tensor

from atomgraph.ops.piecewise import evaluate_pieces, locate_pieces
from atomgraph.ops.scatter import sum_to


def pair_sums(length: Tensor, pair: Tensor, centre: Tensor, tables: Tensor, cutoff: float, n_atoms: int) -> Tensor:
    r""":math:`S_i = \sum_j \varphi_{z_i z_j}(r_{ij})`, each function piece by piece a polynomial (``locate_pieces``).

    Args:
        length: (n_edges,) Å.
        pair: (n_edges,) which function, of a centre's and a neighbour's kind.
        centre: (n_edges,).
        tables: (n_pairs, n_pieces, n_powers).
        cutoff: Å.

    Returns:
        (n_atoms,).
    """
    n_pieces = tables.shape[1]
    piece, s, _ = locate_pieces(length, cutoff, n_pieces)
    value, _ = evaluate_pieces(tables.flatten(0, 1)[:, :, None], pair * n_pieces + piece, s)
    return sum_to(value[:, 0], centre, n_atoms)
