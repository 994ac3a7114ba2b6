"""Sparse polynomials, with a statement for each term or with tables of terms: values and gradients."""

import numpy as np
import pytest
import torch
from helpers.compilers import needs_compiler

from atomgraph.kernels import compile_library
from atomgraph.kernels import product_source as product
from atomgraph.kernels.function_pointers import INT, POINTER, bind_function, integers, pointers
from atomgraph.kernels.product_source import ProductSource

pytestmark = needs_compiler
INPUTS, OUTPUTS, CHANNELS = [1, 3], [1, 2, 1], 5
REAL = {torch.float32: "float", torch.float64: "double"}
SOME = {
    "all kinds": [
        (0, ()),
        (0, (0,)),
        (0, (1, 1, 2)),
        (0, (1, 3)),
        (1, (2, 2)),
        (1, (0, 1, 2, 3)),
        (2, (2, 2)),
        (2, (0, 1)),
    ],
    "only linear": [(1, (3,))],
    "of one variable": [(m, (2,) * power) for m in range(3) for power in (1, 3, 5)],
}  # nothing goes out as the last component


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def plain(terms, coefficients, x):
    """(n_atoms, outputs, channels) of (n_terms, channels) and (n_atoms, inputs, channels)."""
    y = [torch.zeros_like(x[:, 0]) for _ in range(sum(OUTPUTS))]
    for (m, monomial), coefficient in zip(terms, coefficients, strict=True):
        factor = torch.ones_like(x[:, 0])
        for k in monomial:
            factor = factor * x[:, k]
        y[m] = y[m] + coefficient * factor
    return torch.stack(y, dim=1)


def in_blocks(x, dims, width):
    """(n_atoms, components, channels) as the kernels read it."""
    x = torch.nn.functional.pad(x, (0, width - x.shape[2]))
    return torch.cat([part.reshape(-1) for part in x.split(dims, dim=1)])


def from_blocks(x, dims, n_atoms, width):
    parts = x.split([n_atoms * dim * width for dim in dims])
    return torch.cat([part.view(n_atoms, -1, width) for part in parts], dim=1)[:, :, :CHANNELS]


@pytest.mark.parametrize("most", [0, 1000], ids=["data", "statements"])
@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("terms", SOME.values(), ids=SOME)
def test_values_and_gradients_are_those_of_the_plain_sum(terms, dtype, most, monkeypatch):
    monkeypatch.setattr(product, "MAX_STATEMENTS", most)
    source = ProductSource(CHANNELS, INPUTS, OUTPUTS, terms)
    head = f'#define REAL {REAL[dtype]}\n#include "product.h"\nusing namespace atomgraph;\n'
    library = compile_library(f"{head}ATOMGRAPH_API int width() {{ return WIDTH; }}{source.code('p')}", "product")
    forward, backward = (
        bind_function(library, f"p_{name}", INT, INT, *(POINTER,) * n) for name, n in (("forward", 4), ("backward", 5))
    )
    width = -(-CHANNELS // library.width()) * library.width()
    counts = [0, 1, 7, 4]
    coefficients = random(len(counts), len(terms), CHANNELS, seed=1)
    x = random(sum(counts), sum(INPUTS), CHANNELS, seed=2).requires_grad_()
    gradient = random(sum(counts), sum(OUTPUTS), CHANNELS, seed=3)
    reference = torch.cat([plain(terms, c, part) for c, part in zip(coefficients, x.split(counts), strict=True)])
    expected = torch.autograd.grad(reference, x, gradient, materialize_grads=True)[0]

    padded = torch.nn.functional.pad(coefficients[:, source.coefficient_terms], (0, width - CHANNELS))
    tables = [each.unflatten(1, (-1, library.width())).transpose(0, 1).contiguous().to(dtype) for each in padded]
    first, of_kinds = integers(np.cumsum([0, *counts]).tolist()), pointers(tables)
    given, by = in_blocks(x.detach(), INPUTS, width).to(dtype), in_blocks(gradient, OUTPUTS, width).to(dtype)
    for n_threads in (1, 3):
        y, d = torch.full_like(by, torch.nan), torch.full_like(given, torch.nan)
        structure = n_threads, len(counts), first, of_kinds, given.data_ptr()
        forward(*structure, y.data_ptr())
        backward(*structure, by.data_ptr(), d.data_ptr())
        for result, dims, right in ((y, OUTPUTS, reference), (d, INPUTS, expected)):
            result = from_blocks(result, dims, sum(counts), width)
            torch.testing.assert_close(result, right.detach().to(dtype), atol=1e3 * torch.finfo(dtype).eps, rtol=1e-5)
