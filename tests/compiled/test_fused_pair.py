"""Sums over neighbours by kernels: the numbers and gradients of plain operations, of any elements, on any number of threads."""

import pytest
import torch
from helpers.compilers import needs_compiler
from helpers.pair_sums import pair_sums

from atomgraph.analysis.laws.structures import crystal, molecule
from atomgraph.compiled.fused_pair import PAIR_SOURCE, FusedRepulsion, PairSums
from atomgraph.compiled.kernel_graph import GRAPH_SOURCE, ElementOrder, KernelGraph
from atomgraph.kernels import compile_library
from atomgraph.kernels.function_pointers import DOUBLE, INT, LONG, POINTER
from atomgraph.nn.edges import Edges
from atomgraph.nn.repulsion.zbl import ZBL
from atomgraph.testing.graphs import make_graph

pytestmark = needs_compiler
CUTOFF, N, DEGREE = 4.0, 33, 5
ELEMENTS = ["C", "O", "Au"]
NUMBERS = [6, 8, 79]
REAL = {torch.float32: ("float", 1e-6), torch.float64: ("double", 1e-12)}
by_dtype = pytest.mark.parametrize("dtype", REAL)


def library(dtype):
    return compile_library("\n".join([f"#define REAL {REAL[dtype][0]}", GRAPH_SOURCE, PAIR_SOURCE]), "pair")


def kernel_graphs(dtype):
    for atoms in (molecule(ELEMENTS, 12), crystal(ELEMENTS[1:])):
        graph = make_graph(atoms, CUTOFF)
        rows = torch.tensor([NUMBERS.index(z) for z in graph.atomic_numbers.tolist()])
        yield KernelGraph.from_graph(library(dtype), graph, ElementOrder.by_element(rows), CUTOFF, dtype)


class Tables(PairSums):
    """One a pair of elements, of random numbers."""

    name = "tabulated"
    types = POINTER, INT, LONG, DOUBLE

    def __init__(self):
        self.tables = torch.randn(9, N, DEGREE + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def constants(self, element_rows):
        rows = torch.tensor(element_rows)
        return self.tables[(3 * rows[:, None] + rows).flatten()], DEGREE, N, CUTOFF


def compared(kernel, plain, kernel_graph, dtype):
    """Values, and gradients of a sum of them that weighs every atom differently."""
    value, vjp = kernel(kernel_graph)
    vector = kernel_graph.vector.double().requires_grad_()
    expected = plain(vector)
    weight = torch.linspace(-1.0, 2.0, kernel_graph.n_atoms, dtype=torch.float64)
    grad = torch.autograd.grad((weight * expected).sum(), vector)[0]
    result, tolerance = vjp(weight), REAL[dtype][1]
    assert result.dtype == dtype and value.dtype == torch.float64
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=1e-12 * float(expected.detach().abs().max()))
    torch.testing.assert_close(result.double(), grad, rtol=0, atol=tolerance * float(grad.abs().max()))
    return value, result


@by_dtype
def test_tabulated_functions_are_those_of_plain_operations(dtype):
    kernel = Tables()
    kernel.bind(library(dtype))
    for kernel_graph in kernel_graphs(dtype):
        i, j = kernel_graph.element[kernel_graph.centre.long()], kernel_graph.element[kernel_graph.neighbour.long()]

        def plain(vector, i=i, j=j, kernel_graph=kernel_graph):
            length = torch.linalg.vector_norm(vector, dim=1)
            return pair_sums(length, 3 * i + j, kernel_graph.centre.long(), kernel.tables, CUTOFF, kernel_graph.n_atoms)

        compared(kernel, plain, kernel_graph, dtype)


@by_dtype
@pytest.mark.parametrize("p", [6, 5.5])
def test_zbl_is_the_models(p, dtype):
    zbl = ZBL(ELEMENTS, p=p, radii=[0.9, 1.3, 1.8], exponent=0.28)
    kernel = FusedRepulsion(zbl)
    kernel.bind(library(dtype))
    for kernel_graph in kernel_graphs(dtype):

        def plain(vector, kernel_graph=kernel_graph):
            length = torch.linalg.vector_norm(vector, dim=1)
            ends = kernel_graph.centre.long(), kernel_graph.neighbour.long()
            return zbl(None, Edges(vector, length, *ends, kernel_graph.element, kernel_graph.n_atoms, len(ELEMENTS)))

        value, grad = compared(kernel, plain, kernel_graph, dtype)
        length = torch.linalg.vector_norm(kernel_graph.vector, dim=1)
        assert 0 < int((grad != 0).any(dim=1).sum()) < len(length)  # some are beyond their reach
        assert float(value.min()) >= 0


def test_results_are_identical_for_any_number_of_threads():
    kernel, before = Tables(), torch.get_num_threads()
    kernel.bind(library(torch.float64))
    graph = make_graph(molecule(ELEMENTS, 300), CUTOFF)
    rows = torch.tensor([NUMBERS.index(z) for z in graph.atomic_numbers.tolist()])
    kernel_graph = KernelGraph.from_graph(
        library(torch.float64), graph, ElementOrder.by_element(rows), CUTOFF, torch.float64
    )
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            value, vjp = kernel(kernel_graph)
            results.append((value, vjp(torch.ones_like(value))))
    finally:
        torch.set_num_threads(before)
    for first, two in zip(*results, strict=True):
        assert torch.equal(first, two)
