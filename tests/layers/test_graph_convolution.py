import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import GaussianShells, GraphConvolution
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestGraphConvolution(LayerLaws):
    def layer(self):
        return GraphConvolution(4, 3, cutoff=3.0)


class TestGraphConvolutionWithShells(LayerLaws):
    def layer(self):
        return GraphConvolution(3, 3, cutoff=3.0, activation="tanh", bias=False, adjacency=GaussianShells(3, 3.0))


class TestGraphConvolutionOfAtomsThatCountThemselves(LayerLaws):
    def layer(self):
        return GraphConvolution(3, 3, cutoff=3.0, normalisation="self_loop")


def test_output_equals_formula_for_each_atom():
    """h'_v = σ(W · mean of the neighbours + B · h_v), the mean by 1 + Σ f, written out with loops."""
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    h = torch.randn(graph.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer = GraphConvolution(3, 2, cutoff=3.0).double()
    f = polynomial_cutoff(edges.length, 3.0)
    for v in range(graph.n_atoms):
        total, degree = torch.zeros(3, dtype=torch.float64), 1.0
        for e in range(graph.n_edges):
            if edges.centre[e] == v:
                total, degree = total + f[e] * h[edges.neighbour[e]], degree + f[e]
        expected = torch.nn.functional.silu(layer.mean.T @ (total / degree) + layer.own.T @ h[v] + layer.bias)
        torch.testing.assert_close(layer(h, graph, edges)[v], expected, rtol=1e-12, atol=1e-12)


def test_unknown_normalisation_is_refused():
    with pytest.raises(WiringError, match="known are bare, self_loop, smooth"):
        GraphConvolution(3, 3, cutoff=3.0, normalisation="median")
