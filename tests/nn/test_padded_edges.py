"""Edges in blocks of one centre each: every edge has its place, and sums over blocks are sums over neighbours."""

import pytest
import torch

from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.ops.scatter import sum_to
from atomgraph.testing.graphs import ELEMENTS, crystal, make_batch, make_graph, molecule


def edges_of(cutoff, in_order=True):
    graph = make_batch([make_graph(molecule(), cutoff), make_graph(crystal(), cutoff)])
    if not in_order:
        anyhow = torch.randperm(graph.n_edges, generator=torch.Generator().manual_seed(0))
        graph.edge_index, graph.cell_shift = graph.edge_index[:, anyhow], graph.cell_shift[anyhow]
    return Edges.of(graph, ElementTable(ELEMENTS), torch.float64)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("cutoff", [0.3, 1.2, 3.0, 5.0])
def test_sums_over_blocks_are_sums_over_neighbours(cutoff, in_order):
    edges = edges_of(cutoff, in_order)
    blocks = PaddedEdges.of(edges)
    atoms, rows = torch.randn(edges.n_atoms, 3).double(), torch.randn(edges.n_edges, 4).double()
    left, right = blocks.gather_neighbours(atoms), blocks.pad(rows)
    expected = sum_to(atoms[edges.neighbour][:, :, None] * rows[:, None, :], edges.centre, edges.n_atoms)
    torch.testing.assert_close(blocks.sum(left.transpose(1, 2) @ right), expected, rtol=1e-13, atol=1e-13)


def test_blocks_are_computed_once():
    edges = edges_of(3.0)
    assert PaddedEdges.of(edges) is PaddedEdges.of(edges)


def test_few_rows_are_padding():
    edges = edges_of(5.0)
    blocks = PaddedEdges.of(edges)
    assert len(blocks.centre) * blocks.block_size < 1.4 * edges.n_edges
