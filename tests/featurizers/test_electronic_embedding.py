"""Electronic embedding: laws of featurizers, and its formula."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import ElectronicEmbedding, ElementEmbedding
from atomgraph.nn.activation import shifted_softplus
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, make_batch, make_graph, molecule
from atomgraph.testing.measures import randomise

STATES = {"charge": 2, "spin": 1}


class TestElectronicEmbedding(FeaturizerLaws):
    def featurizer(self):
        return ElectronicEmbedding(ElementEmbedding(ELEMENTS, 4), STATES)


def graph_with(**info):
    atoms = molecule()
    atoms.info.update(info)
    return make_graph(atoms, 3.0)


def embedded(part, graph):
    return part(graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64))


def make(states=STATES):
    torch.manual_seed(0)
    return randomise(ElectronicEmbedding(ElementEmbedding(ELEMENTS, 4), states)).double()


@pytest.mark.parametrize("charge", [2.0, -3.0])
def test_charge_is_distributed_by_attention(charge):
    part, graph = make({"charge": 1}), graph_with(charge=charge)
    term, h = part.terms["charge"], part.embedding(graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64))
    state = torch.tensor([max(charge, 0.0), max(-charge, 0.0)], dtype=torch.float64)
    key = term.key.weight @ (state / abs(charge))
    attention = torch.softmax((h @ term.query.weight.T + term.query.bias) @ key / 2.0, dim=0)
    y = attention[:, None] / (1 + 1e-8) * (term.value.weight @ state)
    first, second = term.blocks[0]
    y = y + shifted_softplus(shifted_softplus(y) @ first.weight.T) @ second.weight.T
    torch.testing.assert_close(embedded(part, graph), h + shifted_softplus(y) @ term.last.weight.T, rtol=1e-12, atol=0)


def test_each_structure_of_a_batch_has_its_own_charge_and_spin():
    part, graphs = make(), [graph_with(), graph_with(charge=-1), graph_with(charge=-1, spin=3)]
    together = embedded(part, make_batch(graphs))
    alone = torch.cat([embedded(part, graph) for graph in graphs])
    torch.testing.assert_close(together, alone, rtol=1e-14, atol=1e-14)
    first, second, third = together.split(graphs[0].n_atoms)
    assert not torch.allclose(first, second) and not torch.allclose(second, third)


def test_neutral_structure_has_the_embedding_of_the_elements():
    part, graph = make({"charge": 1}), graph_with(charge=0)
    assert torch.equal(embedded(part, graph), embedded(part.embedding, graph))


def test_large_logits_give_finite_features():
    part = make({"charge": 1})
    with torch.no_grad():
        part.terms["charge"].query.weight.mul_(1e6)
    assert torch.isfinite(embedded(part, graph_with(charge=5))).all()


def test_embedding_and_states_are_needed():
    with pytest.raises(WiringError, match="needs a Featurizer"):
        ElectronicEmbedding(torch.nn.Linear(2, 2), STATES)
    with pytest.raises(WiringError, match="needs states"):
        ElectronicEmbedding(ElementEmbedding(ELEMENTS, 4), {})
