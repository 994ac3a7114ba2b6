"""Sums by the kernel are equal to sums by torch: values, and first, second and third derivatives."""

import pytest
import torch
from e3nn import o3
from helpers.compilers import needs_compiler

from atomgraph.nn.edge_lists import EdgeLists
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.equivariant.convolution import Convolution
from atomgraph.nn.equivariant.irrep_blocks import to_blocks
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.testing.graphs import ELEMENTS, make_graph, molecule

pytestmark = needs_compiler
NATURAL = o3.Irreps.spherical_harmonics(3)
IRREPS = {
    "scalars": "2x0e",
    "vectors": "2x0e+2x1o",
    "unequal numbers of channels": "5x0e+3x1o+17x2e",
    "degree 3": "4x0e+9x3o",
    "both parities": "2x0o+2x0e+2x1o+2x1e",
}


def make_case(irreps, dtype=torch.float64, cutoff=3.0):
    generator = torch.Generator().manual_seed(0)
    edges = Edges.of(make_graph(molecule(), cutoff), ElementTable(ELEMENTS), dtype)
    convolution = Convolution(irreps, NATURAL, "0e+0o+1o+1e+2e+2o+3o")
    shapes = (
        (edges.n_atoms, convolution.irreps_in.dim),
        (edges.n_edges, convolution.n_weights),
        (edges.n_edges, NATURAL.dim),
    )
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    return edges, convolution, [x.requires_grad_() for x in inputs]


def sums(convolution, arranged, h, weights, harmonics):
    blocks = to_blocks(h, convolution.irreps_in)
    messages = convolution(blocks, arranged.arrange(weights), arranged.arrange(harmonics), arranged)
    return torch.cat([message.flatten() for message in messages.values()])


def derivatives(convolution, arranged, inputs, create_graph):
    """Return values, first, second and, if create_graph, third derivatives of nonlinear functions."""
    value = sums(convolution, arranged, *inputs)
    first = torch.autograd.grad((value**3).sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum((x**3).sum() for x in first), inputs, create_graph=create_graph)
    third = torch.autograd.grad(sum((x**2).sum() for x in second), inputs) if create_graph else ()
    return [value, *first, *second, *third]


@pytest.mark.parametrize("create_graph", [False, True], ids=["training", "third derivatives"])
@pytest.mark.parametrize("irreps", IRREPS.values(), ids=IRREPS)
def test_derivatives_equal_those_of_torch(irreps, create_graph):
    edges, convolution, inputs = make_case(irreps)
    arranged = convolution.edge_layout(edges)
    assert isinstance(arranged, EdgeLists)
    results = derivatives(convolution, arranged, inputs, create_graph)
    expected = derivatives(convolution, PaddedEdges.of(edges), inputs, create_graph)
    for result, reference in zip(results, expected, strict=True):
        torch.testing.assert_close(result, reference, rtol=1e-13, atol=1e-13 * float(reference.detach().abs().max()))


def test_float32():
    edges, convolution, inputs = make_case(IRREPS["unequal numbers of channels"], torch.float32)
    result = derivatives(convolution, convolution.edge_layout(edges), inputs, False)
    exact = derivatives(
        convolution, PaddedEdges.of(edges), [x.double().detach().requires_grad_() for x in inputs], False
    )
    for value, reference in zip(result, exact, strict=True):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), reference, rtol=0, atol=1e-5 * float(reference.detach().abs().max()))


def test_gradients_and_second_derivatives_by_finite_differences():
    edges, convolution, inputs = make_case("1x0e+1x1o", cutoff=1.6)
    arranged = convolution.edge_layout(edges)

    def function(*inputs):
        return sums(convolution, arranged, *inputs)

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_batched_gradients():
    """Jacobians are computed with ``is_grads_batched``, whose tensors have no memory that a kernel could read."""
    edges, convolution, inputs = make_case(IRREPS["vectors"])
    jacobians = []
    for arranged in (convolution.edge_layout(edges), PaddedEdges.of(edges)):
        value = sums(convolution, arranged, *inputs)
        (gradient,) = torch.autograd.grad((value**3).sum(), inputs[:1], create_graph=True)
        rows = torch.eye(7, gradient.numel(), dtype=gradient.dtype)
        jacobians.append(torch.autograd.grad(gradient.flatten(), inputs, rows, is_grads_batched=True))
    for result, reference in zip(*jacobians, strict=True):
        torch.testing.assert_close(result, reference, rtol=1e-12, atol=1e-12)


def test_threads_do_not_change_the_numbers():
    edges, convolution, inputs = make_case(IRREPS["vectors"])
    n_threads, results = torch.get_num_threads(), []
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            results.append(derivatives(convolution, convolution.edge_layout(edges), inputs, False))
    finally:
        torch.set_num_threads(n_threads)
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_edges_that_are_not_sorted():
    edges, convolution, (h, weights, harmonics) = make_case(IRREPS["vectors"])
    order = torch.randperm(edges.n_edges, generator=torch.Generator().manual_seed(1))
    sorted_sums = sums(convolution, convolution.edge_layout(edges), h, weights, harmonics)
    shuffled = edges.select(order)
    result = sums(convolution, convolution.edge_layout(shuffled), h, weights[order], harmonics[order])
    torch.testing.assert_close(result, sorted_sums, rtol=1e-13, atol=1e-13)


def test_no_edges():
    edges, convolution, inputs = make_case(IRREPS["vectors"], cutoff=0.1)
    result = derivatives(convolution, convolution.edge_layout(edges), inputs, False)
    assert edges.n_edges == 0
    assert all(bool((x == 0).all()) for x in result)


def test_the_kernel_is_not_used_without_kernels_or_for_large_degrees(monkeypatch):
    edges, convolution, _ = make_case("2x0e")
    large = Convolution("2x0e", o3.Irreps.spherical_harmonics(4), "4e")
    assert isinstance(large.edge_layout(edges), PaddedEdges)
    monkeypatch.setenv("ATOMGRAPH_KERNELS", "off")
    assert isinstance(convolution.edge_layout(edges), PaddedEdges)
