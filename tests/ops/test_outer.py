"""Sums of outer products, whatever the order and number of rows."""

import pytest
import torch

from atomgraph.ops.outer import outer_sum_to
from atomgraph.ops.scatter import sum_to


@pytest.mark.parametrize("n_rows, size", [(0, 3), (1, 1), (7, 3), (400, 3), (40, 100)])
@pytest.mark.parametrize("in_order", [True, False])
def test_equals_the_outer_products_added_one_by_one(n_rows, size, in_order):
    random = torch.Generator().manual_seed(n_rows)
    left = torch.randn(n_rows, 2, generator=random, dtype=torch.float64)
    right = torch.randn(n_rows, 5, generator=random, dtype=torch.float64)
    index = torch.randint(size, (n_rows,), generator=random)
    index = index.sort().values if in_order else index
    expected = sum_to(left[:, :, None] * right[:, None, :], index, size)
    torch.testing.assert_close(outer_sum_to(left, right, index, size), expected, rtol=1e-13, atol=1e-13)


def test_first_and_second_derivatives_agree_with_finite_differences():
    random = torch.Generator().manual_seed(1)
    left = torch.randn(6, 2, generator=random, dtype=torch.float64, requires_grad=True)
    right = torch.randn(6, 3, generator=random, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([2, 0, 2, 2, 0, 2])

    def sums(left, right):
        return outer_sum_to(left, right, index, 4)

    assert torch.autograd.gradcheck(sums, (left, right))
    assert torch.autograd.gradgradcheck(sums, (left, right))
