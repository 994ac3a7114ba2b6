import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import Envelope, GaussianShells
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


def edges_of(cutoff=4.0):
    return Edges.of(make_graph(crystal(), cutoff), ElementTable(ELEMENTS), torch.float64)


@pytest.mark.parametrize("adjacency", [Envelope(3.0), GaussianShells(5, 3.0)], ids=["envelope", "shells"])
def test_weights_lie_between_zero_and_one_and_vanish_beyond_the_cutoff(adjacency):
    edges = edges_of(4.0)
    weight = adjacency.double()(edges)
    assert weight.min() >= 0 and weight.max() <= 1
    assert (weight[edges.length >= 3.0] == 0).all()
    assert (weight[edges.length < 2.5] > 0).all()


def test_shells_are_gaussians_times_the_envelope():
    edges, shells = edges_of(3.0), GaussianShells(3, 3.0, start=1.0).double()
    width = 1.0 / 3.0
    for c, place in enumerate((1.0, 2.0, 3.0)):
        bell = torch.exp(-((edges.length - place) ** 2) / (2 * width**2))
        torch.testing.assert_close(shells(edges)[:, c], Envelope(3.0)(edges) * bell, rtol=1e-6, atol=1e-6)


def test_the_envelope_is_made_once_in_a_forward_pass():
    edges = edges_of(3.0)
    assert Envelope(3.0)(edges) is Envelope(3.0)(edges)
    assert Envelope(3.0)(edges) is not Envelope(2.5)(edges)


def test_invalid_adjacencies_are_refused():
    with pytest.raises(WiringError, match="did you mean cosine"):
        Envelope(3.0, "cosin")
    with pytest.raises(WiringError, match="positive"):
        Envelope(0.0)
    with pytest.raises(WiringError, match="channels ≥ 1 and start < cutoff"):
        GaussianShells(4, 0.5)
