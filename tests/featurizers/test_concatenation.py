"""Concatenation: descriptions side by side are each what they were alone."""

import pytest
import torch
from e3nn import o3

from atomgraph.errors import WiringError
from atomgraph.featurizers import Concatenation, ElementEmbedding, RadialDensity
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestConcatenation(FeaturizerLaws):
    def featurizer(self):
        return Concatenation([RadialDensity(ELEMENTS, cutoff=3.5, n_radial=2), ElementEmbedding(ELEMENTS, channels=3)])


def test_columns_are_those_of_the_parts_in_order():
    near, far, own = RadialDensity(ELEMENTS, 3.0, 2), RadialDensity(ELEMENTS, 4.0, 3), ElementEmbedding(ELEMENTS, 3)
    graph = make_graph(crystal(), 4.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float32)
    together = Concatenation([near, own, far])
    assert torch.equal(together(graph, edges), torch.cat([part(graph, edges) for part in (near, own, far)], dim=1))
    assert together.irreps_out.simplify() == o3.Irreps("31x0e")
    assert together.cutoff == 4.0


def test_no_featurizer_and_other_objects_raise():
    with pytest.raises(WiringError, match="at least one"):
        Concatenation([])
    with pytest.raises(WiringError, match=r"featurizers\[1\] should be a Featurizer, but is a Linear"):
        Concatenation([ElementEmbedding(["H"], 2), torch.nn.Linear(2, 2)])
