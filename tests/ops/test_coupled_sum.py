"""One path of the convolution is its sum written out, and may be differentiated twice."""

import pytest
import torch

from atomgraph.ops.coupled_sum import coupled_sum
from atomgraph.ops.coupling import wigner_3j


def inputs(l1, l2):
    noise = torch.Generator().manual_seed(10 * l1 + l2)
    shapes = (3, 4, 2 * l1 + 1, 2), (3, 4, 2), (3, 4, 2 * l2 + 1)
    return [torch.randn(*shape, dtype=torch.float64, generator=noise) for shape in shapes]


def coupling(l1, l2, l3):
    return wigner_3j(l1, l2, l3).permute(1, 0, 2).flatten(1)


@pytest.mark.parametrize(("l1", "l2", "l3"), [(1, 0, 1), (1, 2, 3), (2, 1, 1), (2, 2, 2)])
def test_coupled_sum_equals_the_explicit_sum(l1, l2, l3):
    h, weight, harmonics = inputs(l1, l2)
    three_j = wigner_3j(l1, l2, l3)  # (2l₁+1, 2l₂+1, 2l₃+1)
    expected = torch.einsum("nam,benc,bec,bea->bmc", three_j, h, weight, harmonics)
    torch.testing.assert_close(coupled_sum(h, weight, harmonics, coupling(l1, l2, l3)), expected)


def test_coupling_of_scalars_is_the_unit_matrix():
    h, weight, harmonics = inputs(0, 2)
    unit = torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(coupled_sum(h, weight, harmonics), coupled_sum(h, weight, harmonics, unit))


@pytest.mark.parametrize("l1", [0, 1])
def test_first_and_second_derivatives(l1):
    given = [each[:1].requires_grad_() for each in inputs(l1, 1)]
    matrix = coupling(1, 1, 2) if l1 else None
    assert torch.autograd.gradcheck(lambda *x: coupled_sum(*x, matrix), given)
    assert torch.autograd.gradgradcheck(lambda *x: coupled_sum(*x, matrix), given)
