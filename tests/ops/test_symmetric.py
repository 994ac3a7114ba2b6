"""Monomials of equal factors: a matrix as the product of two thin ones."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from atomgraph.ops.symmetric import truncated_svd


@pytest.mark.parametrize("shape", [(12, 5), (4, 9)])
@pytest.mark.parametrize("rank", [1, 3])
def test_truncated_svd_reproduces_a_matrix_of_low_rank(shape, rank):
    random = np.random.default_rng(0)
    matrix = random.normal(size=(shape[0], rank)) @ random.normal(size=(rank, shape[1]))
    matrix[1::4] = 0.0
    left, right = truncated_svd(csr_array(matrix), 1e-12)
    assert left.shape == (shape[0], rank)
    np.testing.assert_allclose(left @ right, matrix, atol=1e-12)
    np.testing.assert_allclose(left.T @ left, np.eye(rank), atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 2), (0, 2), (3, 0)])
def test_a_matrix_of_zeros_has_one_column_of_zeros(shape):
    left, right = truncated_svd(csr_array(shape), 1e-12)
    assert left.shape == (shape[0], 1)
    assert right.shape == (1, shape[1])
    assert not (left @ right).any()
