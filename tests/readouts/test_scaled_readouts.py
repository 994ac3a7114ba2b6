"""Readouts of NequIP: the perceptron of weights of order one, and the scale per element."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import ElementTable
from atomgraph.readouts import ElementScaled, ScaledMLPReadout
from atomgraph.testing import ReadoutLaws
from atomgraph.testing.graphs import ELEMENTS, make_graph, molecule
from atomgraph.testing.measures import construct, randomise


class TestScaledMLPReadout(ReadoutLaws):
    def readout(self):
        return ScaledMLPReadout("3x0e+2x1o", [4, 5], n_outputs=2)


class TestElementScaledWithTrainedScales(ReadoutLaws):
    def readout(self):
        return ElementScaled(ELEMENTS, ScaledMLPReadout(3, [4]), trainable=True)


def graph_and_edges():
    graph = make_graph(molecule(), 3.0)
    return graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64)


def test_perceptron_divides_by_roots_of_widths():
    """One hidden layer with the gain of nequip: the square root of 2 belongs to the activation."""
    readout = randomise(construct(lambda: ScaledMLPReadout("2x1o+3x0e", [4], activation_gain=2**0.5)).double())
    first, last = readout.network.weights
    h = torch.randn(5, 9, dtype=torch.float64)
    hidden = torch.nn.functional.silu(h[:, 6:] @ first / 3**0.5)
    result = readout(h, None, None)
    assert torch.allclose(result, 2**0.5 * hidden @ last / 4**0.5, atol=1e-14)
    basis = readout.basis(h, 0)
    assert torch.allclose(basis @ last, result, atol=1e-14)


def test_scale_multiplies_the_output_of_each_element():
    graph, edges = graph_and_edges()
    inner = randomise(construct(lambda: ScaledMLPReadout(3)).double())
    readout = ElementScaled(ELEMENTS, inner).double()
    readout.scale.copy_(torch.arange(1.0, len(ELEMENTS) + 1))
    h = torch.randn(edges.n_atoms, 3, dtype=torch.float64)
    expected = (edges.element + 1.0)[:, None] * inner(h, graph, edges)
    assert torch.equal(readout(h, graph, edges), expected)
    assert len(edges.element.unique()) > 1


def test_scales_stay_float64_and_follow_the_elements():
    readout = ElementScaled(["H", "O"], ScaledMLPReadout(3)).float()
    readout.scale.copy_(torch.tensor([1.5, 0.1]))
    assert readout.scale.dtype == torch.float64
    edit = ElementEdit(["H", "O"], ["S", "H"], [1, 0])
    assert readout.element_weights(edit)["scale"].tolist() == pytest.approx([0.1, 1.5])


def test_head_weights_are_columns_of_the_last_layer():
    readout = ElementScaled(ELEMENTS, ScaledMLPReadout(3, [4], n_outputs=3))
    (name, weight), *rest = readout.head_weights([2, 0]).items()
    assert not rest and name == "readout.network.weights.1"
    assert torch.equal(weight, readout.readout.network.weights[1][:, [2, 0]])


def test_invalid_arguments_are_named():
    with pytest.raises(WiringError, match="0e features"):
        ScaledMLPReadout("3x1o")
    with pytest.raises(WiringError, match="needs a Readout"):
        ElementScaled(ELEMENTS, torch.nn.Linear(2, 2))
