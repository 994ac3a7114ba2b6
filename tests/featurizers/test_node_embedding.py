import pytest
import torch

from atomgraph.errors import GraphError
from atomgraph.featurizers import NodeEmbedding
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, make_batch, make_graph, molecule

STATES = {
    "total_charge": {"type": "categorical", "num_classes": 5, "offset": 2, "emb_dim": 3, "per": "graph"},
    "total_spin": {"type": "continuous", "in_dim": 1, "emb_dim": 2},
}


class TestNodeEmbedding(FeaturizerLaws):
    def featurizer(self):
        return NodeEmbedding(ELEMENTS, 4)


class TestNodeEmbeddingWithStates(FeaturizerLaws):
    def featurizer(self):
        return NodeEmbedding(ELEMENTS, 4, STATES)


def embedded(part, graph):
    return part(graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64))


def graph_with(**info):
    atoms = molecule()
    atoms.info.update(info)
    return make_graph(atoms, 3.0)


def test_each_structure_of_a_batch_has_its_own_charge_and_spin():
    part = NodeEmbedding(ELEMENTS, 4, STATES).double()
    graphs = [graph_with(), graph_with(charge=-1), graph_with(total_charge=-1, spin=3)]
    together = embedded(part, make_batch(graphs))
    alone = torch.cat([embedded(part, graph) for graph in graphs])
    torch.testing.assert_close(together, alone, rtol=1e-14, atol=1e-14)
    first, second, third = together.split(graphs[0].n_atoms)
    assert not torch.allclose(first, second) and not torch.allclose(second, third)


def test_the_default_is_neutral_and_a_singlet():
    part = NodeEmbedding(ELEMENTS, 4, STATES).double()
    assert torch.equal(embedded(part, graph_with()), embedded(part, graph_with(charge=0, spin=1)))


@pytest.mark.parametrize("charge", [3, -3, 0.5])
def test_a_charge_without_a_row_raises(charge):
    with pytest.raises(GraphError, match="whole numbers from -2 to 2"):
        embedded(NodeEmbedding(ELEMENTS, 4, STATES), graph_with(charge=charge))


def test_contradicting_charges_raise():
    with pytest.raises(GraphError, match="two values of the charge"):
        graph_with(charge=1, total_charge=2)


def test_a_charge_that_is_no_number_raises():
    with pytest.raises(GraphError, match="should be a number"):
        graph_with(charge="one")
