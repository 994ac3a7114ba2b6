"""Continuous-filter convolution: laws of layers, and its formula written out with loops."""

import math

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import ContinuousFilter, Residual
from atomgraph.nn import RadialEmbedding
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestContinuousFilter(LayerLaws):
    def layer(self):
        return ContinuousFilter(ELEMENTS, 3, cutoff=3.0)


class TestInteractionBlock(LayerLaws):
    def layer(self):
        radial = RadialEmbedding(ELEMENTS, 3.0, 4, "bessel", envelope_on="messages", trainable=True)
        return Residual(ContinuousFilter(ELEMENTS, 3, 3.0, n_filters=5, radial=radial, activation="silu"))


def test_output_equals_formula_for_each_atom():
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    h = torch.randn(graph.n_atoms, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer = ContinuousFilter(ELEMENTS, 2, 3.0, n_filters=3).double()

    def activation(x):
        return torch.log(0.5 * torch.exp(x) + 0.5)

    def perceptron(network, x):
        (w1, w2), (b1, b2) = network.weights, network.biases
        return activation(x @ w1[0] + b1[0]) @ w2[0] + b2[0]

    centres = torch.linspace(0.0, 3.0, 20, dtype=torch.float64)
    for i in range(graph.n_atoms):
        message = torch.zeros(3, dtype=torch.float64)
        for e in torch.nonzero(edges.centre == i)[:, 0]:
            r = edges.length[e]
            gaussians = torch.exp(-0.5 * ((r - centres) / (3.0 / 19)) ** 2)
            envelope = 0.5 * (1.0 + math.cos(math.pi * r / 3.0))
            message += (
                (h[edges.neighbour[e]] @ layer.input_map) * perceptron(layer.filter_network, gaussians) * envelope
            )
        expected = perceptron(layer.output_network, message)
        torch.testing.assert_close(layer(h, graph, edges)[i], expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("arguments", [{"cutoff": 4.0}, {"envelope_on": "features"}], ids=str)
def test_radial_embedding_has_to_fit(arguments):
    radial = RadialEmbedding(ELEMENTS, **{"cutoff": 3.0, "envelope_on": "messages"} | arguments)
    with pytest.raises(WiringError, match="needs a radial embedding with this cutoff"):
        ContinuousFilter(ELEMENTS, 3, 3.0, radial=radial)
