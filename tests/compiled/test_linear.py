"""Features times frozen matrices: torch's numbers and gradients for every shape, however many rows each kind has."""

import pytest
import torch
from e3nn import o3
from helpers.compilers import needs_compiler

from atomgraph.compiled import linear as linear_file
from atomgraph.compiled.evaluation import AtomRuns
from atomgraph.compiled.folded_weights import Weights
from atomgraph.compiled.kernel_graph import GRAPH_SOURCE
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LINEAR_SOURCE, LinearMap
from atomgraph.kernels import compile_library

pytestmark = needs_compiler
SCALAR, VECTOR, OTHER = o3.Irrep("0e"), o3.Irrep("1o"), o3.Irrep("1e")
SHAPES = [(1, 1), (3, 16), (16, 3), (5, 17), (40, 64), (33, 95), (64, 129)]  # around whole vectors and panels of them
REAL = {torch.float32: "float", torch.float64: "double"}


def library(dtype):
    return compile_library("\n".join([f"#define REAL {REAL[dtype]}", GRAPH_SOURCE, LINEAR_SOURCE]), "linear")


def random(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def make_weights(by_irrep):
    """Weights by element."""
    shapes = {irrep: tuple(matrices.shape[1:]) for irrep, matrices in by_irrep.items()}
    return Weights(shapes, True, lambda irrep, z: by_irrep[irrep][z])


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("counts", [[1], [6], [0, 13, 1], [40, 0, 7]])
def test_numbers_and_gradients_are_torchs(shape, counts, dtype):
    kinds = list(range(len(counts)))[::-1]
    by_irrep = {irrep: random(len(counts), *shape) for irrep in (SCALAR, VECTOR)}
    before, after = (Layout(dict.fromkeys(by_irrep, n)) for n in shape)
    linear, runs = LinearMap(library(dtype), before, after, make_weights(by_irrep), dtype), AtomRuns(kinds, counts)
    x, grad = (random(sum(counts) * layout.width, dtype=dtype) for layout in (before, after))
    for times, given, start, end, turned in (
        (linear, x, before, after, lambda matrix: matrix),
        (linear.vjp, grad, after, before, lambda matrix: matrix.T),
    ):
        result, there = times(runs, given), random(sum(counts) * end.width, dtype=dtype)
        added = times(runs, given, there.clone())
        for irrep, matrices in by_irrep.items():
            parts = start.block(given, irrep).split(counts)
            expected = torch.cat([part @ turned(matrices[k].to(dtype)) for part, k in zip(parts, kinds, strict=True)])
            tolerance = {"atol": 100 * torch.finfo(dtype).eps, "rtol": 1e3 * torch.finfo(dtype).eps}
            torch.testing.assert_close(end.block(result, irrep), expected, **tolerance)
            torch.testing.assert_close(end.block(added, irrep), end.block(there, irrep) + expected, **tolerance)


def test_irreps_without_input_are_zeros():
    before, after = Layout({SCALAR: 4, OTHER: 4}), Layout({VECTOR: 4, SCALAR: 4})
    weights = Weights.from_matrices({irrep: random(4, 4) for irrep in (SCALAR, VECTOR, OTHER)})
    linear, runs = LinearMap(library(torch.float64), before, after, weights, torch.float64), AtomRuns([0], [5])
    y, grad = linear(runs, random(5 * before.width)), linear.vjp(runs, random(5 * after.width))
    assert not after.block(y, VECTOR).any()
    assert after.block(y, SCALAR).all()
    assert not before.block(grad, OTHER).any()


def test_threads_change_nothing():
    layout, before, result = Layout({SCALAR: 24, VECTOR: 24}), torch.get_num_threads(), []
    weights = Weights.from_matrices({irrep: random(24, 24) for irrep in (SCALAR, VECTOR)})
    linear, x = LinearMap(library(torch.float64), layout, layout, weights, torch.float64), random(500 * layout.width)
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            result.append(linear(AtomRuns([0], [500]), x))
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(result[0], result[1], atol=0, rtol=0)


def test_consecutive_maps_are_multiplied():
    first = Weights.from_matrices({SCALAR: random(3, 5), VECTOR: random(3, 5)})
    second = make_weights({SCALAR: random(2, 5, 4), OTHER: random(2, 5, 4)})
    both = first.pad((3, 8)).then(second.pad(n_columns=6))
    assert both.by_element
    assert dict(both.shapes) == {SCALAR: (8, 6)}
    matrix = both.matrix(SCALAR, 1)
    torch.testing.assert_close(matrix[:3, :4], first.matrix(SCALAR, 0) @ second.matrix(SCALAR, 1))
    assert not matrix[3:].any()
    assert not matrix[:, 4:].any()


def test_the_number_of_cached_sets_of_elements_is_limited(monkeypatch):
    by_irrep = {SCALAR: random(5, 4, 4)}
    layout = Layout({SCALAR: 4})
    monkeypatch.setattr(linear_file, "MAX_CACHED_TABLES", 2)
    first, x = LinearMap(library(torch.float64), layout, layout, make_weights(by_irrep), torch.float64), random(6 * 4)
    for _ in range(2):
        for k in range(4):
            expected = torch.cat([x.view(6, 4)[:2] @ by_irrep[SCALAR][k], x.view(6, 4)[2:] @ by_irrep[SCALAR][k + 1]])
            torch.testing.assert_close(first(AtomRuns([k, k + 1], [2, 4]), x).view(6, 4), expected)
    assert first._cached_arguments.cache_info().currsize == 2
