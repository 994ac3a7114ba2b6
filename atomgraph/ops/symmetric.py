"""Monomials of the components of a vector, the coordinates of symmetric tensors, and a truncated singular value decomposition.

Products of components do not depend on the order of the factors, so coefficients of equal products can be added.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import numpy as np
from scipy.sparse import csr_array

from atomgraph.old_names import old_names_of


@cache
def monomials(n: int, order: int) -> np.ndarray:
    """List all products of ``order`` components of a vector of n components.

    Rows are sorted by their largest component, then by the second largest, and so on. Each monomial is a monomial of the next
    lower order times its largest component (``split_monomials``).

    Returns:
        Components of each monomial, in increasing order, (n_monomials, order).
    """
    rows = sorted(combinations_with_replacement(range(n), order), key=lambda row: row[::-1])
    return np.array(rows, dtype=np.int64).reshape(-1, order)


@cache
def split_monomials(n: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Split each monomial into a monomial of the next lower order and its largest component.

    Returns:
        Row of the monomial of the next lower order, (n_monomials,), and component, (n_monomials,).
    """
    row_numbers = {tuple(row): k for k, row in enumerate(monomials(n, order - 1))}
    rows = monomials(n, order)
    return np.array([row_numbers[tuple(row[:-1])] for row in rows]), rows[:, -1].copy()


def monomial_rows(factors: np.ndarray, n: int) -> np.ndarray:
    """Find the row in ``monomials`` of each product of components.

    Args:
        factors: Components of each product, in any order, (n_entries, order).
        n: Number of components of the vector.

    Returns:
        Rows, (n_entries,).
    """
    ordered = np.sort(factors, axis=1)
    powers = n ** np.arange(factors.shape[1])
    keys = monomials(n, factors.shape[1]) @ powers  # one number for each monomial, the components as digits in base n
    sorting = np.argsort(keys)
    rows: np.ndarray = sorting[np.searchsorted(keys[sorting], ordered @ powers)]
    return rows


def truncated_svd(matrix: csr_array, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Factorise a matrix as Q R by its singular values, without values below ``tolerance`` times the largest.

    Rows of zeros are skipped, so they cost nothing.

    Args:
        matrix: Matrix, (n_rows, n_columns).
        tolerance: Smallest singular value that is used, relative to the largest, no unit.

    Returns:
        Q, (n_rows, rank), with orthonormal columns, and R, (rank, n_columns). The rank is at least 1: a matrix of zeros gives
        one column of zeros.
    """
    nonzero = np.flatnonzero(np.diff(matrix.indptr))
    left, singular_values, right = np.linalg.svd(matrix[nonzero].toarray(), full_matrices=False)
    rank = max(int((singular_values > tolerance * singular_values.max(initial=0.0)).sum()), 1)
    q = np.zeros((matrix.shape[0], rank))
    q[nonzero, : left.shape[1]] = left[:, :rank]
    r = np.zeros((rank, matrix.shape[1]))
    r[: len(singular_values)] = singular_values[:rank, None] * right[:rank]
    return q, r


__getattr__ = old_names_of(__name__)
