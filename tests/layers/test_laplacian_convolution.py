import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import GaussianShells, LaplacianConvolution, PolynomialFilter
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestLaplacianConvolution(LayerLaws):
    def layer(self):
        return LaplacianConvolution(4, 3, cutoff=3.0)


class TestLaplacianConvolutionPlain(LayerLaws):
    def layer(self):
        return LaplacianConvolution(3, 3, cutoff=3.0, laplacian="plain", activation="softplus", bias=False)


class TestLaplacianConvolutionWithShells(LayerLaws):
    def layer(self):
        return LaplacianConvolution(3, 2, cutoff=3.3, laplacian="random_walk", adjacency=GaussianShells(3, 3.2))


def test_layer_is_a_filter_of_degree_one():
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    h = torch.randn(graph.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    convolution = LaplacianConvolution(3, 5, cutoff=3.0).double()
    polynomial = PolynomialFilter(3, 5, cutoff=3.0, degree=1).double()
    with torch.no_grad():
        polynomial.weight.copy_(torch.stack([convolution.own, -convolution.spread]))
    torch.testing.assert_close(convolution(h, graph, edges), polynomial(h, graph, edges), rtol=1e-13, atol=1e-13)


def test_equal_features_do_not_diffuse_with_self_loops():
    """With the random walk's Laplacian, features equal everywhere stay equal everywhere: no forces could come of them."""
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    layer = LaplacianConvolution(3, 2, cutoff=3.0, laplacian="random_walk", normalisation="self_loop").double()
    h = layer(torch.ones(graph.n_atoms, 3, dtype=torch.float64), graph, edges)
    assert (h - h[:1]).abs().max() < 1e-13


def test_unknown_laplacian_is_refused_with_the_nearest():
    with pytest.raises(WiringError, match="did you mean random_walk"):
        LaplacianConvolution(3, 3, cutoff=3.0, laplacian="randomwalk")
