"""Blocks of PaiNN: laws of layers, and their formulas written out with loops."""

import math

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import PaiNNMessage, PaiNNUpdate
from atomgraph.nn import RadialEmbedding
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph
from atomgraph.testing.measures import randomise

RADIAL = {"n_radial": 4, "basis": "gaussian", "envelope": "cosine", "envelope_on": "messages"}


class TestMessageOfScalars(LayerLaws):
    def layer(self):
        return PaiNNMessage(ELEMENTS, 3, 3.0, RadialEmbedding(ELEMENTS, 3.0, **RADIAL))


class TestMessageOfVectors(LayerLaws):
    def layer(self):
        radial = RadialEmbedding(ELEMENTS, 3.0, **RADIAL | {"trainable": True, "separate_widths": True, "start": 0.2})
        return PaiNNMessage(ELEMENTS, "3x0e+3x1o", 3.0, radial, activation="shifted_softplus")


class TestMessageWithSharedWeights(LayerLaws):
    def layer(self):
        radial = RadialEmbedding(ELEMENTS, 3.0, **RADIAL)
        first = PaiNNMessage(ELEMENTS, 3, 3.0, radial)
        return PaiNNMessage(ELEMENTS, "3x0e+3x1o", 3.0, radial, same_weights_as=first, same_filters_as=first)


class TestUpdate(LayerLaws):
    def layer(self):
        return PaiNNUpdate("3x0e+3x1o", epsilon=0.01)


class TestUpdateOfScalars(LayerLaws):
    def layer(self):
        return PaiNNUpdate("3x0e+3x1o", returns_vectors=False, epsilon=0.01, same_weights_as=PaiNNUpdate("3x0e+3x1o"))


def silu(x):
    return x / (1.0 + torch.exp(-x))


def perceptron(network, x):
    (w1, w2), (b1, b2) = network.weights, network.biases
    return silu(x @ w1[0] + b1[0]) @ w2[0] + b2[0]


def features(n_atoms, channels):
    return torch.randn(n_atoms, 4 * channels, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_message_equals_formula_for_each_atom():
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    layer = randomise(PaiNNMessage(ELEMENTS, "2x0e+2x1o", 3.0, RadialEmbedding(ELEMENTS, 3.0, **RADIAL))).double()
    h = features(graph.n_atoms, 2)
    scalars, vectors = h[:, :2], h[:, 2:].view(-1, 2, 3)
    result = layer(h, graph, edges)
    for i in range(graph.n_atoms):
        q, mu = scalars[i].clone(), vectors[i].clone()
        for e in torch.nonzero(edges.centre == i)[:, 0]:
            j, r = edges.neighbour[e], edges.length[e]
            gaussians = torch.exp(-0.5 * (r - torch.arange(4.0).double()) ** 2)
            envelope = 0.5 * (1.0 + math.cos(math.pi * r / 3.0))
            filters = (gaussians @ layer.filters.weights[0][0] + layer.filters.biases[0][0]) * envelope
            a, b, c = (perceptron(layer.network, scalars[j]) * filters).split(2)
            q += a
            mu += b[:, None] * (-edges.vector[e] / r) + c[:, None] * vectors[j]
        torch.testing.assert_close(result[i], torch.cat([q, mu.flatten()]), rtol=1e-11, atol=1e-12)


def test_update_equals_formula_for_each_atom():
    layer = randomise(PaiNNUpdate("2x0e+2x1o", epsilon=0.1)).double()
    h = features(5, 2)
    result = layer(h, None, None)
    for i in range(5):
        q, mu = h[i, :2], h[i, 2:].view(2, 3)
        mixed = layer.mix.weight @ mu  # (4, 3)
        v, u = mixed[:2], mixed[2:]
        norm = ((v * v).sum(dim=1) + 0.1).sqrt()
        a, b, c = perceptron(layer.network, torch.cat([q, norm])).split(2)
        expected = torch.cat([q + a + c * (v * u).sum(dim=1), (mu + b[:, None] * u).flatten()])
        torch.testing.assert_close(result[i], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PaiNNMessage(ELEMENTS, "3x0e+2x1o", 3.0), "n scalars and n vectors"),
        (lambda: PaiNNMessage(ELEMENTS, "3x0e+3x1e", 3.0), "n scalars and n vectors"),
        (lambda: PaiNNMessage(ELEMENTS, 3, 3.0, RadialEmbedding(ELEMENTS, 4.0)), "a PaiNNMessage with a cutoff of 3.0"),
        (lambda: PaiNNMessage(ELEMENTS, 3, 3.0, same_weights_as=PaiNNMessage(ELEMENTS, 2, 3.0)), "3 channels"),
        (lambda: PaiNNMessage(ELEMENTS, 3, 3.0, same_filters_as=PaiNNMessage(ELEMENTS, 3, 4.0)), "cutoff of 3.0"),
        (lambda: PaiNNUpdate("3x0e"), "needs vectors"),
        (lambda: PaiNNUpdate("3x0e+3x1o", epsilon=0.0), "should be positive"),
        (lambda: PaiNNUpdate("3x0e+3x1o", same_weights_as=PaiNNUpdate("2x0e+2x1o")), "3 channels"),
    ],
)
def test_invalid_arguments(make, message):
    with pytest.raises(WiringError, match=message):
        make()
