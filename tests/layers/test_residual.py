import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import GraphConvolution, LaplacianConvolution, Residual, Standardize
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.readouts import Linear
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestResidual(LayerLaws):
    def layer(self):
        return Residual(LaplacianConvolution(3, 3, cutoff=3.0))


def test_zero_inner_layer_leaves_features_unchanged():
    graph = make_graph(crystal(), 3.0)
    layer = Residual(GraphConvolution(3, 3, cutoff=3.0)).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    h = torch.randn(graph.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(h, graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64)), h)


def test_inner_layer_is_calibrated():
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    h = 3.0 + torch.randn(graph.n_atoms, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alone, inside = Standardize(ELEMENTS, 2).double(), Residual(Standardize(ELEMENTS, 2)).double()
    for layer in (alone, inside):
        layer.update_statistics(h, graph, edges)
        layer.finalize()
    assert torch.equal(inside(h, graph, edges), h + alone(h, graph, edges))


def test_layers_with_different_irreps_are_refused():
    with pytest.raises(WiringError, match="maps 3x0e to 4x0e"):
        Residual(GraphConvolution(3, 4, cutoff=3.0))
    with pytest.raises(WiringError, match="needs a Layer, but got a Linear"):
        Residual(Linear(3))
