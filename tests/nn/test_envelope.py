"""Envelopes by name are those of ops, made once, and refused by the nearest name."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.envelope import checked_envelope, envelope_of
from atomgraph.ops.cutoff import ENVELOPES
from atomgraph.testing.graphs import ELEMENTS, graph_of, molecule


@pytest.mark.parametrize("name", ENVELOPES)
def test_parts_that_ask_for_one_envelope_get_one_tensor(name):
    edges = Edges.of(graph_of(molecule(), 3.0), ElementTable(ELEMENTS), torch.float64)
    assert torch.equal(envelope_of(edges, name, 3.0), ENVELOPES[name](edges.length, 3.0))
    assert envelope_of(edges, name, 3.0) is envelope_of(edges, name, 3.0)


def test_an_unknown_envelope_is_refused_with_the_nearest():
    with pytest.raises(WiringError, match="did you mean cosine"):
        checked_envelope("cosin")
