import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import AtomWise
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, make_graph, molecule


class TestAtomWise(LayerLaws):
    def layer(self):
        return AtomWise(ELEMENTS, 3, 5, activation="silu")


class TestAtomWiseWithHiddenLayers(LayerLaws):
    def layer(self):
        return AtomWise(ELEMENTS, 3, 2, hidden=(4,))


def test_equal_features_become_different_for_different_elements():
    graph = make_graph(molecule(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    h = AtomWise(ELEMENTS, 2, 2).double()(torch.ones(graph.n_atoms, 2, dtype=torch.float64), graph, edges)
    assert len(h.unique(dim=0)) == len(edges.element.unique())


def test_unknown_activation_is_refused():
    with pytest.raises(WiringError, match="did you mean tanh"):
        AtomWise(ELEMENTS, 2, 2, activation="tan")
