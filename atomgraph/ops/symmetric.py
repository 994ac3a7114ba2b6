"""Symmetric tensors by monomials: products of equal factors do not depend on their order, so coefficients can be merged."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import numpy as np
from scipy.sparse import csr_array


@cache
def monomials(n: int, order: int) -> np.ndarray:
    """(n_monomials, order): the components of each product of ``order`` factors out of n, largest component outermost.

    Sorted by the largest component, then by the rest in the same way, so that a monomial is one of the next lower order
    times its largest component (``raised``).
    """
    rows = sorted(combinations_with_replacement(range(n), order), key=lambda row: row[::-1])
    return np.array(rows, dtype=np.int64).reshape(-1, order)


@cache
def raised(n: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """For each monomial, the monomial of the next lower order and the component that give it as their product."""
    below = {tuple(row): k for k, row in enumerate(monomials(n, order - 1))}
    rows = monomials(n, order)
    return np.array([below[tuple(row[:-1])] for row in rows]), rows[:, -1].copy()


def monomial_rows(factors: np.ndarray, n: int) -> np.ndarray:
    """The row of the monomial for each product of components, in any order.

    Args:
        factors: (n_entries, order).
    """
    ordered = np.sort(factors, axis=1)
    powers = n ** np.arange(factors.shape[1])
    keys = monomials(n, factors.shape[1]) @ powers
    by_key = np.argsort(keys)
    rows: np.ndarray = by_key[np.searchsorted(keys[by_key], ordered @ powers)]
    return rows


def low_rank(matrix: csr_array, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Q, R with matrix = Q R, (rows, rank) and (rank, columns); without singular values below tolerance times the largest.

    Q has at least one column, of zeros if the matrix is zero. Rows of zeros are skipped.
    """
    nonzero = np.flatnonzero(np.diff(matrix.indptr))
    left, sizes, right = np.linalg.svd(matrix[nonzero].toarray(), full_matrices=False)
    rank = max(int((sizes > tolerance * sizes.max(initial=0.0)).sum()), 1)
    q = np.zeros((matrix.shape[0], rank))
    q[nonzero, : left.shape[1]] = left[:, :rank]
    r = np.zeros((rank, matrix.shape[1]))
    r[: len(sizes)] = sizes[:rank, None] * right[:rank]
    return q, r
