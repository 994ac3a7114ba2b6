"""Element embedding: what an atom is, and nothing of what surrounds it."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import ElementEmbedding
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestElementEmbedding(FeaturizerLaws):
    def featurizer(self):
        return ElementEmbedding(ELEMENTS, channels=5)


def test_features_depend_on_the_element_only():
    graph = make_graph(crystal(), 4.0)
    h = ElementEmbedding(ELEMENTS, channels=3)(graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float32))
    z = graph.atomic_numbers
    assert torch.equal((h[:, None] == h[None]).all(dim=2), z[:, None] == z[None])


def test_initial_variance_does_not_depend_on_the_width():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weight = ElementEmbedding(ELEMENTS, channels=4000).weight
    assert weight.std().item() == pytest.approx(1.0, rel=0.05)


def test_invalid_arguments_raise():
    with pytest.raises(WiringError, match="channels must be at least 1"):
        ElementEmbedding(["H"], channels=0)
    with pytest.raises(WiringError, match="unknown chemical symbol 'Sj'"):
        ElementEmbedding(["Sj"], channels=2)
