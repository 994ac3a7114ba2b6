"""Envelopes by name are those of ops, made once, and refused by the nearest name."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.envelope import checked_envelope, edge_envelope
from atomgraph.ops.cutoff import ENVELOPES
from atomgraph.testing.graphs import ELEMENTS, make_graph, molecule


@pytest.mark.parametrize("name", ENVELOPES)
def test_equal_envelopes_are_one_tensor(name):
    edges = Edges.of(make_graph(molecule(), 3.0), ElementTable(ELEMENTS), torch.float64)
    assert torch.equal(edge_envelope(edges, name, 3.0), ENVELOPES[name](edges.length, 3.0))
    assert edge_envelope(edges, name, 3.0) is edge_envelope(edges, name, 3.0)


def test_an_unknown_envelope_raises_with_the_most_similar_name():
    with pytest.raises(WiringError, match="did you mean cosine"):
        checked_envelope("cosin")
