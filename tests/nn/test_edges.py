"""Edges: what parts read of a graph, made once and cut to a part's reach."""

import pytest
import torch

from atomgraph.errors import GraphError
from atomgraph.graph.geometry import edge_vectors
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing.graphs import ELEMENTS, crystal, make_batch, make_graph, molecule

TABLE = ElementTable(ELEMENTS)


@pytest.fixture
def graph():
    return make_batch([make_graph(crystal(), 4.0), make_graph(molecule(), 4.0)])


def test_rows_of_atoms_and_elements(graph):
    edges = Edges.of(graph, TABLE, torch.float64)
    assert torch.equal(torch.stack([edges.neighbour, edges.centre]), graph.edge_index)
    assert torch.equal(edges.vector, edge_vectors(graph))
    torch.testing.assert_close(edges.length, edges.vector.norm(dim=1))
    symbols = TABLE(graph.atomic_numbers)
    assert torch.equal(edges.element_of_centre, symbols[edges.centre])
    assert torch.equal(edges.element_of_neighbour, symbols[edges.neighbour])
    assert (edges.n_atoms, edges.n_edges, edges.n_elements) == (graph.n_atoms, graph.n_edges, len(ELEMENTS))


def test_vectors_are_cast_after_the_subtraction():
    graph = make_graph(crystal(), 4.0)
    graph.pos = graph.pos + 1e6  # float32 positions would keep 0.06 Å
    edges = Edges.of(graph, TABLE, torch.float32)
    assert edges.vector.dtype == edges.length.dtype == torch.float32
    torch.testing.assert_close(edges.vector, edge_vectors(make_graph(crystal(), 4.0)).float(), atol=1e-6, rtol=0)


def test_gradients_with_respect_to_positions(graph):
    graph = graph.shallow_copy()
    graph.pos = graph.pos.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(Edges.of(graph, TABLE, torch.float64).length.sum(), graph.pos)
    assert gradient.abs().max() > 0
    torch.testing.assert_close(gradient.sum(dim=0), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


def test_within_returns_the_edges_shorter_than_the_cutoff(graph):
    edges = Edges.of(graph, TABLE, torch.float64)
    near = edges.within(2.5)
    kept = edges.length < 2.5
    assert 0 < near.n_edges < edges.n_edges
    assert near.length.max() < 2.5
    for name in ("vector", "length", "centre", "neighbour", "element_of_centre", "element_of_neighbour"):
        assert torch.equal(getattr(near, name), getattr(edges, name)[kept])
    assert near.n_atoms == edges.n_atoms and torch.equal(near.element, edges.element)


def test_within_a_larger_cutoff_returns_the_same_object(graph):
    edges = Edges.of(graph, TABLE, torch.float64)
    assert edges.within(4.0) is edges
    assert edges.within(0.1).n_edges == 0


def test_cached_values_are_computed_once(graph):
    edges, calls = Edges.of(graph, TABLE, torch.float64), []

    def make():
        calls.append(1)
        return edges.length**2

    first = edges.cached(("square", 2), make)
    assert edges.cached(("square", 2), make) is first and len(calls) == 1
    assert edges.cached(("square", 3), make) is not first and len(calls) == 2
    near = edges.within(2.5)
    assert len(near.cached(("square", 2), lambda: near.length**2)) == near.n_edges  # its edges are others


def test_the_error_names_missing_elements(graph):
    with pytest.raises(GraphError, match="unknown elements"):
        Edges.of(graph, ElementTable(["H"]), torch.float64)
