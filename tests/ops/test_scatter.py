"""Sums over rows that share a target, right to the second derivative."""

import torch
from torch.autograd import gradcheck, gradgradcheck

from atomgraph.ops.scatter import sum_to


def test_rows_are_added_to_their_targets():
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    result = sum_to(values, torch.tensor([2, 0, 2]), 4)
    torch.testing.assert_close(result, torch.tensor([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0], [0.0, 0.0]]))


def test_sum_of_no_rows_is_zero():
    assert (sum_to(torch.empty(0, 3), torch.empty(0, dtype=torch.int64), 2) == torch.zeros(2, 3)).all()


def test_sum_over_all_targets_is_the_sum_of_all_rows():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    index = torch.randint(0, 7, (50,), generator=generator)
    torch.testing.assert_close(sum_to(values, index, 7).sum(dim=0), values.sum(dim=0))


def test_gradients_are_those_of_the_sum():
    values = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    index = torch.tensor([0, 2, 2, 1, 0])
    assert gradcheck(lambda v: sum_to(v**3, index, 4), values)
    assert gradgradcheck(lambda v: sum_to(v**3, index, 4), values)
