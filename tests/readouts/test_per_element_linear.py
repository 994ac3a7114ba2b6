"""The linear readout of each element: its sum written out, its laws."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.part import build, to_spec
from atomgraph.readouts import PerElementLinear
from atomgraph.testing import ReadoutLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestPerElementLinear(ReadoutLaws):
    def readout(self):
        return PerElementLinear(ELEMENTS, 5, n_outputs=2, bias=True)


class TestOneOutputWithoutBias(ReadoutLaws):
    def readout(self):
        return PerElementLinear(ELEMENTS, 3)


def test_each_atom_has_the_weights_and_the_constant_of_its_element():
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    readout = PerElementLinear(ELEMENTS, 3, n_outputs=2, bias=True).double()
    torch.nn.init.normal_(readout.bias)
    h = torch.randn(graph.n_atoms, 3, dtype=torch.float64)
    rows = zip(h, edges.element, strict=True)
    expected = torch.stack([row @ readout.weight[z] + readout.bias[z] for row, z in rows])
    torch.testing.assert_close(readout(h, graph, edges), expected, rtol=1e-14, atol=1e-14)


def test_one_element_is_the_plain_linear_readout():
    graph = make_graph(crystal(), 3.0)
    graph.atomic_numbers[:] = 14
    edges = Edges.of(graph, ElementTable(["Si"]), torch.float64)
    readout = PerElementLinear(["Si"], 3).double()
    h = torch.randn(graph.n_atoms, 3, dtype=torch.float64)
    torch.testing.assert_close(readout(h, graph, edges), h @ readout.weight[0])


@pytest.mark.parametrize("arguments", [(["Si"], 0), (["Si"], 3, 0), ([], 3), (["Xx"], 3)])
def test_invalid_readouts_are_refused(arguments):
    with pytest.raises(WiringError):
        PerElementLinear(*arguments)


def test_is_built_again_from_its_specification():
    spec = to_spec(PerElementLinear(["H", "O"], 4, bias=True))
    assert spec["kind"] == "atomgraph.readouts.PerElementLinear"
    assert to_spec(build(spec)) == spec
