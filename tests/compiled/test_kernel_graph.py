"""Kernel graphs are equal to sorted graphs, and their gradients to sums of tensors, for any number of threads."""

import pytest
import torch
from helpers.compilers import needs_compiler

from atomgraph.compiled import kernel_graph as kernel_graph_file
from atomgraph.compiled.kernel_graph import GRAPH_SOURCE, DegenerateEdge, ElementOrder, KernelGraph
from atomgraph.graph.geometry import edge_vectors
from atomgraph.kernels import compile_library
from atomgraph.nn.elements import ElementTable
from atomgraph.testing.graphs import ELEMENTS, crystal, make_batch, make_graph, molecule, slab

pytestmark = needs_compiler
CUTOFF, LISTED = 3.5, 4.2  # the graph's edges reach beyond
FIELDS = ("vector", "centre", "neighbour", "centre_offsets", "neighbour_offsets", "edges_by_neighbour")


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def dtype(request):
    return request.param


@pytest.fixture
def library(dtype):
    real = {torch.float32: "float", torch.float64: "double"}[dtype]
    return compile_library(f"#define WITH_OPENMP\n#define REAL {real}\n{GRAPH_SOURCE}", "frame")


@pytest.fixture(params=[1, 2, 3, 7])
def on_threads(request, monkeypatch):
    """Every graph is shared by threads, if there is more than one."""
    monkeypatch.setattr(kernel_graph_file, "PARALLEL_FROM", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def batch():
    return make_batch([make_graph(first, LISTED) for first in (crystal(), molecule(), slab())])


def order_of(graph):
    return ElementOrder.by_element(ElementTable(ELEMENTS)(graph.atomic_numbers))


def make_kernel_graph(library, graph, dtype, cutoff=CUTOFF):
    return KernelGraph.from_graph(library, graph, order_of(graph), cutoff, dtype)


def plain(graph, dtype, cutoff=CUTOFF):
    """The same by sorting."""
    place = order_of(graph).ordered_row
    vector = edge_vectors(graph)
    kept = vector.norm(dim=1) < cutoff
    neighbour, centre = place[graph.edge_index[:, kept]]
    vector = vector[kept]
    order_by_centre = torch.argsort(centre, stable=True)
    vector, centre, neighbour = vector[order_by_centre].to(dtype), centre[order_by_centre], neighbour[order_by_centre]
    rows = [
        torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(ends, minlength=graph.n_atoms).cumsum(0)])
        for ends in (centre, neighbour)
    ]
    return dict(zip(FIELDS, (vector, centre, neighbour, *rows, torch.argsort(neighbour, stable=True)), strict=True))


@pytest.mark.parametrize("cutoff", [CUTOFF, LISTED, 0.1], ids=["some", "all", "none"])
def test_edges_are_equal_to_sorted_edges(library, batch, dtype, cutoff, on_threads):
    result, expected = make_kernel_graph(library, batch, dtype, cutoff), plain(batch, dtype, cutoff)
    for name in FIELDS:
        ours = getattr(result, name)
        if name == "vector":
            torch.testing.assert_close(ours, expected[name], rtol=0, atol=1e-14 if dtype == torch.float64 else 5e-7)
        else:
            assert torch.equal(ours.long(), expected[name]), name
    assert result.n_edges == (0 if cutoff == 0.1 else batch.n_edges if cutoff == LISTED else result.n_edges)


def test_gradients_by_edges_give_forces_and_virials(library, batch, dtype, on_threads):
    result = make_kernel_graph(library, batch, dtype)
    grad = torch.randn(result.n_edges, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    gradient, virial = result.collect(library, grad, batch)
    centre, neighbour = (result.graph_row[ends.long()] for ends in (result.centre, result.neighbour))
    g, r = grad.double(), result.vector.double()
    expected = torch.zeros_like(gradient).index_add(0, centre, g).index_add(0, neighbour, -g)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)
    outer = r[:, :, None] * g[:, None, :]
    by_graph = torch.zeros_like(virial).index_add(0, batch.graph_of_atom[centre], 0.5 * (outer + outer.transpose(1, 2)))
    torch.testing.assert_close(virial, by_graph, rtol=0, atol=1e-11)


def test_results_are_identical_for_any_number_of_threads(library, dtype, monkeypatch):
    batch = make_batch([make_graph(first, LISTED) for first in [crystal(), slab()] * 5])
    monkeypatch.setattr(kernel_graph_file, "PARALLEL_FROM", 0)
    before, results = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 5, 40):
            torch.set_num_threads(n_threads)
            result = make_kernel_graph(library, batch, dtype)
            results.append(
                [getattr(result, name) for name in FIELDS] + [*result.collect(library, result.vector.sin(), batch)]
            )
    finally:
        torch.set_num_threads(before)
    for second in results[1:]:
        assert all(map(torch.equal, results[0], second))


def test_edges_in_any_order_are_sorted_first(library, batch, dtype, on_threads):
    expected = make_kernel_graph(library, batch, dtype)
    shuffled = batch.shallow_copy()
    anyhow = torch.randperm(batch.n_edges, generator=torch.Generator().manual_seed(1))
    shuffled.edge_index, shuffled.cell_shift = batch.edge_index[:, anyhow], batch.cell_shift[anyhow]
    result = make_kernel_graph(library, shuffled, dtype)
    assert torch.equal(result.centre_offsets, expected.centre_offsets) and torch.equal(
        result.neighbour_offsets, expected.neighbour_offsets
    )
    results = [first.collect(library, first.vector.sin(), batch) for first in (result, expected)]
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-12)


def not_finite(graph):
    graph.pos[1, 2] = torch.nan


def on_one_spot(graph):
    graph.pos[graph.edge_index[0, 0]] = graph.pos[graph.edge_index[1, 0]]
    graph.cell_shift[0] = 0


def centre_not_there(graph):
    graph.edge_index[1, -1] = graph.n_atoms


def neighbour_not_there(graph):
    graph.edge_index[0, 3] = -1


@pytest.mark.parametrize("fault", [not_finite, on_one_spot, centre_not_there, neighbour_not_there])
def test_edges_without_direction_are_errors(library, dtype, fault, on_threads):
    graph = make_graph(crystal(), LISTED)
    fault(graph)
    with pytest.raises(DegenerateEdge):
        make_kernel_graph(library, graph, dtype)


def test_a_structure_without_edges_has_an_empty_kernel_graph(library, dtype, on_threads):
    graph = make_graph(molecule(n_atoms=1), LISTED)
    result = make_kernel_graph(library, graph, dtype)
    gradient, virial = result.collect(library, result.vector, graph)
    assert result.n_edges == 0 and not gradient.any() and not virial.any()
