"""Rows times frozen matrices: torch's numbers and slopes for every shape, however many rows each kind has."""

import pytest
import torch
from compilers import needs_compiler
from e3nn import o3

from atomgraph.compiled.frame import FRAME_SOURCE
from atomgraph.compiled.linear import LINEAR_SOURCE, Matrices
from atomgraph.kernels import compiled

pytestmark = needs_compiler
SCALAR, VECTOR = o3.Irrep("0e"), o3.Irrep("1o")
SHAPES = [(1, 1), (3, 16), (16, 3), (5, 17), (40, 64), (33, 95), (64, 129)]  # around whole vectors and panels of them
REAL = {torch.float32: "float", torch.float64: "double"}


def library(dtype):
    return compiled("\n".join([f"#define REAL {REAL[dtype]}", FRAME_SOURCE, LINEAR_SOURCE]), "linear")


def random(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("counts", [[1], [6], [0, 13, 1], [40, 0, 7]])
def test_numbers_and_slopes_are_torchs(shape, counts, dtype):
    kinds = list(range(len(counts)))[::-1]
    by_irrep = {irrep: random(len(counts), *shape, dtype=dtype) for irrep in (SCALAR, VECTOR)}
    x = {irrep: random(sum(counts), irrep.dim, shape[0], dtype=dtype).requires_grad_() for irrep in by_irrep}
    y = Matrices(library(dtype), by_irrep)(x, kinds, counts)
    tolerance = {"atol": 100 * torch.finfo(dtype).eps, "rtol": 1e3 * torch.finfo(dtype).eps}
    for irrep, matrices in by_irrep.items():
        wanted = torch.cat([part @ matrices[k] for part, k in zip(x[irrep].split(counts), kinds, strict=True)])
        torch.testing.assert_close(y[irrep], wanted, **tolerance)
        slope = random(*wanted.shape, dtype=dtype)
        found, expected = (torch.autograd.grad(of, x[irrep], slope, retain_graph=True)[0] for of in (y[irrep], wanted))
        torch.testing.assert_close(found, expected, **tolerance)


def test_what_does_not_come_in_does_not_go_out_and_threads_change_nothing():
    of = Matrices(library(torch.float64), {SCALAR: random(1, 24, 24), VECTOR: random(1, 24, 24)})
    x, before, found = {SCALAR: random(500, 1, 24)}, torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(of(x, [0], [500]))
    finally:
        torch.set_num_threads(before)
    assert list(found[0]) == [SCALAR]
    torch.testing.assert_close(found[0][SCALAR], found[1][SCALAR], atol=0, rtol=0)
